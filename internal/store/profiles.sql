-- name: profile
select {profiles} from profiles where wallet = $1

-- name: insert profile
insert into profiles ({profiles}) values ({@profiles}) on conflict do nothing

-- name: update profile
update profiles set version = @version, sealed = @sealed, updated = @updated
where wallet = @wallet and version = @version - 1

-- name: delete wallet's profile
delete from profiles where wallet = $1
