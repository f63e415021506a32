-- name: wallet
select {wallets} from wallets where id = $1

-- name: wallet from
select {wallets} from wallets where id >= $1 order by id limit 1

-- name: wallets
select {wallets} from wallets
where (created, id) < ($1, $2) order by created desc, id desc limit $3

-- name: stale wallets
select {wallets} from wallets where generation <> $1 order by id limit $2

-- name: wallet at version
select 1 from wallets where id = $1 and version = $2 and sealed_key = $3

-- name: insert wallet
insert into wallets ({wallets}) values ({@wallets}) on conflict do nothing

-- name: update wallet
update wallets set sealed = @sealed, version = version + 1 where id = @id and version = @version

-- name: rotate wallet
update wallets set sealed_key = $1, generation = $2, version = version + 1 where id = $3 and generation = $4

-- name: raise version
update wallets set version = version + 1 where id = $1

-- name: delete wallet
delete from wallets where id = $1
