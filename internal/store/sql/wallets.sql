-- name: wallets
select id, generation, sealed_key, sealed, version, created from wallets
where (created, id) < ($1, $2) order by created desc, id desc limit $3

-- name: wallet
select id, generation, sealed_key, sealed, version, created from wallets where id = $1

-- name: stale wallets
select id, generation, sealed_key, sealed, version, created from wallets
where generation <> $1 order by id limit $2

-- name: insert wallet
insert into wallets (id, generation, sealed_key, sealed, version, created)
values ($1, $2, $3, $4, 1, $5) on conflict do nothing

-- name: update wallet
update wallets set sealed = $1, version = version + 1 where id = $2 and version = $3

-- name: rotate wallet
update wallets set sealed_key = $1, generation = $2, version = version + 1 where id = $3 and generation = $4

-- name: raise version
update wallets set version = version + 1 where id = $1

-- name: wallet at version
select 1 from wallets where id = $1 and version = $2

-- name: delete wallet
delete from wallets where id = $1

-- name: delete wallet's accounts
delete from accounts where wallet = $1

-- name: delete wallet's paths
delete from paths where wallet = $1

-- name: delete wallet's policy
delete from policies where wallet = $1

-- name: delete wallet's tokens
delete from tokens where wallet = $1

-- name: delete wallet's apps
delete from apps where wallet = $1

-- name: delete wallet's approvals
delete from approvals where wallet = $1

-- name: delete wallet's grants
delete from grants where wallet = $1

-- name: delete wallet's delegations
delete from delegations where wallet = $1

-- name: accounts
select wallet, address, app, path, type, sealed, created from accounts
where wallet = $1 and (created, address) < ($2, $3) order by created desc, address desc limit $4

-- name: account
select wallet, address, app, path, type, sealed, created from accounts where wallet = $1 and address = $2

-- name: account of
select wallet, address, app, path, type, sealed, created from accounts
where wallet = $1 and app = $2 and type = $3 order by created, address limit 1

-- name: path owner
select app from paths where wallet = $1 and path = $2

-- name: take path
insert into paths (wallet, path, app) values ($1, $2, $3)
on conflict (wallet, path) do update set app = paths.app where paths.app = excluded.app

-- name: insert account
insert into accounts (wallet, address, app, path, type, sealed, created)
values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing

-- name: policy
select wallet, version, sealed, updated from policies where wallet = $1

-- name: insert policy
insert into policies (wallet, version, sealed, updated) values ($1, $2, $3, $4) on conflict do nothing

-- name: update policy
update policies set version = $2, sealed = $3, updated = $4 where wallet = $1 and version = $5
