-- name: trees of a time
select {trees} from trees where time = $1

-- name: tree
select {trees} from trees where time = $1 and root = $2

-- name: put tree
insert into trees ({trees}) values ({@trees}) on conflict do nothing

-- name: tree is stored
update trees set stored = true where time = @time and root = @root

-- name: next tree
select coalesce(min(time), 0) from trees where time > $1

-- name: next head
select coalesce(min(time), 0) from heads where time > $1

-- name: heads of a time
select {h.heads}, r.hash from heads h left join records r on r.chain = h.chain and r.seq = h.seq where h.time = $1
