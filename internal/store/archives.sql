-- name: archives
select {archives} from archives where chain = $1 and seq < $2 order by seq desc limit $3

-- name: insert archive
insert into archives ({archives}) values ({@archives}) on conflict do nothing

-- name: put archive
insert into archives ({archives}) values ({@archives})
on conflict (chain, first) do update set statement = excluded.statement, mac = excluded.mac
where archives.seq = excluded.seq and archives.hash = excluded.hash

-- name: delete archived records
delete from records where chain = $1 and seq in (
    select seq from records where chain = $1 and seq <= (select coalesce(max(seq), 0) from archives where chain = $1 and seq <= $2)
    order by seq limit $3)

-- name: delete archived heads
delete from heads where chain = $1 and seq in (
    select seq from heads where chain = $1 and seq <= (select coalesce(max(seq), 0) from archives where chain = $1 and seq <= $2)
    order by seq limit $3)

-- name: delete archived contents
delete from restored where chain = $1 and seq in (
    select seq from restored where chain = $1 and seq <= (select coalesce(max(seq), 0) from archives where chain = $1 and seq <= $2)
    order by seq limit $3)
