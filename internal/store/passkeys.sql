-- name: passkey
select {passkeys} from passkeys where wallet = $1 and id = $2

-- name: passkeys by id
select {passkeys} from passkeys where id = $1 order by created, wallet limit $2

-- name: passkeys
select {passkeys} from passkeys
where wallet = $1 and (created, id) < ($2, $3) order by created desc, id desc limit $4

-- name: fewer passkeys
select 1 from keystore where (select count(*) from passkeys where wallet = $1) < $2

-- name: insert passkey
insert into passkeys ({passkeys}) values ({@passkeys}) on conflict do nothing

-- name: update passkey
update passkeys set counter = @counter, sealed = @sealed, last_used = @last_used, mac = @mac
where wallet = @wallet and id = @id and mac = @old.mac

-- name: delete passkey
delete from passkeys where wallet = @wallet and id = @id and mac = @mac

-- name: passkey tokens
select {tokens} from tokens
where wallet = $1 and passkey = $2 and passkey <> '' and revoked = 0 and (expires = 0 or expires > $3) order by created desc, id desc limit 100

-- name: delete wallet's passkeys
delete from passkeys where wallet = $1
