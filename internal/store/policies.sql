-- name: policy
select {policies} from policies where wallet = $1

-- name: insert policy
insert into policies ({policies}) values ({@policies}) on conflict do nothing

-- name: update policy
update policies set version = @version, sealed = @sealed, updated = @updated
where wallet = @wallet and version = @version - 1

-- name: delete wallet's policy
delete from policies where wallet = $1
