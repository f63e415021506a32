-- name: secret key
select {secret_keys} from secret_keys where wallet = $1 and tag = $2

-- name: secret keys
select {secret_keys} from secret_keys
where wallet = $1 and app = $2 order by created desc, tag desc limit $3

-- name: wallet's secret keys
select {secret_keys} from secret_keys where wallet = $1 and tag > $2 order by tag limit $3

-- name: room for secret key
select 1 from keystore where (select count(*) from secret_keys where wallet = $1 and app = $2) < $3

-- name: insert secret key
insert into secret_keys ({secret_keys}) values ({@secret_keys}) on conflict do nothing

-- name: update secret key
update secret_keys set sealed = @sealed
where wallet = @old.wallet and tag = @old.tag and sealed = @old.sealed

-- name: delete wallet's secret keys
delete from secret_keys where wallet = $1
