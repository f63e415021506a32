-- name: secret key
select wallet, app, tag, sealed, created from secret_keys where wallet = $1 and tag = $2

-- name: secret keys
select wallet, app, tag, sealed, created from secret_keys
where wallet = $1 and app = $2 order by created desc, tag desc limit $3

-- name: room for secret key
select 1 from keystore where (select count(*) from secret_keys where wallet = $1 and app = $2) < $3

-- name: insert secret key
insert into secret_keys (wallet, app, tag, sealed, created) values ($1, $2, $3, $4, $5) on conflict do nothing

-- name: update secret key
update secret_keys set sealed = $1 where wallet = $2 and tag = $3 and sealed = $4

-- name: delete wallet's secret keys
delete from secret_keys where wallet = $1

-- name: secret
select wallet, app, tag, revision, sealed, created, updated from secrets where wallet = $1 and tag = $2

-- name: secrets
select wallet, app, tag, revision, sealed, created, updated from secrets
where wallet = $1 and (created, tag) < ($2, $3) order by created desc, tag desc limit $4

-- name: secrets of app
select wallet, app, tag, revision, sealed, created, updated from secrets
where wallet = $1 and app = $2 and (created, tag) < ($3, $4) order by created desc, tag desc limit $5

-- name: room for secret
select 1 from keystore where (select count(*) from secrets where wallet = $1 and app = $2) < $3

-- name: insert secret
insert into secrets (wallet, app, tag, revision, sealed, created, updated) values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing

-- name: update secret
update secrets set revision = $1, sealed = $2, updated = $3 where wallet = $4 and tag = $5 and revision = $6

-- name: delete secret
delete from secrets where wallet = $1 and tag = $2 and revision = $3

-- name: delete wallet's secrets
delete from secrets where wallet = $1
