-- name: profile
select wallet, version, sealed, updated from profiles where wallet = $1

-- name: insert profile
insert into profiles (wallet, version, sealed, updated) values ($1, $2, $3, $4) on conflict do nothing

-- name: update profile
update profiles set version = $2, sealed = $3, updated = $4 where wallet = $1 and version = $5

-- name: delete wallet's profile
delete from profiles where wallet = $1

-- name: credential
select wallet, id, sealed, created from credentials where wallet = $1 and id = $2

-- name: credentials
select wallet, id, sealed, created from credentials
where wallet = $1 and (created, id) < ($2, $3) order by created desc, id desc limit $4

-- name: room for credential
select 1 from keystore where (select count(*) from credentials where wallet = $1 and id <> $2) < $3

-- name: put credential
insert into credentials (wallet, id, sealed, created) values ($1, $2, $3, $4)
on conflict (wallet, id) do update set sealed = excluded.sealed, created = excluded.created

-- name: delete credential
delete from credentials where wallet = $1 and id = $2

-- name: delete wallet's credentials
delete from credentials where wallet = $1
