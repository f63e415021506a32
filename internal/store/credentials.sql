-- name: credential
select {credentials} from credentials where wallet = $1 and id = $2

-- name: credentials
select {credentials} from credentials
where wallet = $1 and (created, id) < ($2, $3) order by created desc, id desc limit $4

-- name: room for credential
select 1 from keystore where (select count(*) from credentials where wallet = $1 and id <> $2) < $3

-- name: put credential
insert into credentials ({credentials}) values ({@credentials})
on conflict (wallet, id) do update set sealed = excluded.sealed, created = excluded.created

-- name: delete credential
delete from credentials where wallet = $1 and id = $2

-- name: delete wallet's credentials
delete from credentials where wallet = $1
