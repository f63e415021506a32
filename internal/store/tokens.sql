-- name: token
select {tokens} from tokens where id = $1

-- name: tokens
select {tokens} from tokens
where wallet = $1 and (created, id) < ($2, $3) order by created desc, id desc limit $4

-- name: app tokens
select {tokens} from tokens
where wallet = $1 and app = $2 and revoked = 0 and (expires = 0 or expires > $3) order by created desc, id desc limit 100

-- name: owners
select count(*) from tokens where wallet = $1 and role = 'owner'

-- name: no owner
select 1 from keystore
where not exists (select 1 from tokens where wallet = $1 and role = 'owner') and not exists (select 1 from passkeys where wallet = $1)

-- name: origin listed
select 1 from tokens where origins <> '' and ' ' || origins || ' ' like $1 escape '\'
    and revoked = 0 and (expires = 0 or expires > $2) limit 1

-- name: insert token
insert into tokens ({tokens}) values ({@tokens}) on conflict do nothing

-- name: revoke token
update tokens set revoked = @revoked, mac = @mac where id = @old.id and mac = @old.mac and revoked = 0

-- name: touch token
update tokens set last_used = $1 where id = $2 and last_used < $1

-- name: delete wallet's tokens
delete from tokens where wallet = $1

-- name: sweep revoked tokens
delete from tokens where id in (
    select id from tokens where revoked > 0 and revoked < $1 and (role <> 'owner' or passkey <> '') order by revoked limit $2)

-- name: sweep expired tokens
delete from tokens where id in (
    select id from tokens where expires > 0 and expires < $1 and (role <> 'owner' or passkey <> '') order by expires limit $2)
