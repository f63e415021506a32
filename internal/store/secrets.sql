-- name: secret
select {secrets} from secrets where wallet = $1 and tag = $2

-- name: secrets
select {secrets} from secrets
where wallet = $1 and (created, tag) < ($2, $3) order by created desc, tag desc limit $4

-- name: secrets of app
select {secrets} from secrets
where wallet = $1 and app = $2 and (created, tag) < ($3, $4) order by created desc, tag desc limit $5

-- name: room for secret
select 1 from keystore where (select count(*) from secrets where wallet = $1 and app = $2) < $3

-- name: insert secret
insert into secrets ({secrets}) values ({@secrets}) on conflict do nothing

-- name: update secret
update secrets set revision = @revision, sealed = @sealed, updated = @updated
where wallet = @old.wallet and tag = @old.tag and revision = @old.revision

-- name: delete secret
delete from secrets where wallet = @wallet and tag = @tag and revision = @revision

-- name: delete wallet's secrets
delete from secrets where wallet = $1
