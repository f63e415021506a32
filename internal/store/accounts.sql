-- name: account
select {accounts} from accounts where wallet = $1 and address = $2

-- name: account of
select {accounts} from accounts
where wallet = $1 and app = $2 and type = $3 order by created, address limit 1

-- name: accounts of app
select {accounts} from accounts
where wallet = $1 and app = $2 order by created, address limit $3

-- name: app account
select {accounts} from accounts where app = $1 and address = $2 limit 1

-- name: accounts
select {accounts} from accounts
where wallet = $1 and (created, address) < ($2, $3) order by created desc, address desc limit $4

-- name: path owner
select app from paths where wallet = $1 and path = $2

-- name: take path
insert into paths (wallet, path, app) values ($1, $2, $3)
on conflict (wallet, path) do update set app = paths.app where paths.app = excluded.app

-- name: insert account
insert into accounts ({accounts}) values ({@accounts}) on conflict do nothing

-- name: delete wallet's accounts
delete from accounts where wallet = $1

-- name: delete wallet's paths
delete from paths where wallet = $1
