-- name: restored record
select chain, seq, sealed from restored where chain = $1 and seq > $2 order by seq limit $3

-- name: insert restored record
insert into restored (chain, seq, sealed) values ($1, $2, $3)
on conflict (chain, seq) do update set sealed = excluded.sealed

-- name: delete wallet's restored record
delete from restored where chain = $1

-- name: hash of record
select hash from records where chain = $1 and seq = $2

-- name: wallet's secret keys
select wallet, app, tag, sealed, created from secret_keys where wallet = $1 and tag > $2 order by tag limit $3
