-- name: app
select {apps} from apps where wallet = $1 and app = $2

-- name: apps
select {apps} from apps
where wallet = $1 and (created, app) < ($2, $3) order by created desc, app desc limit $4

-- name: insert app
insert into apps ({apps}) values ({@apps}) on conflict do nothing

-- name: update app
update apps set state = @state, sealed = @sealed, created = @created, mac = @mac
where wallet = @wallet and app = @app and mac = @old.mac

-- name: delete wallet's apps
delete from apps where wallet = $1
