-- name: delegation
select {delegations} from delegations where wallet = $1 and hash = $2

-- name: delegations
select {delegations} from delegations
where wallet = $1 and (expires, hash) < ($2, $3) order by expires desc, hash desc limit $4

-- name: insert delegation
insert into delegations ({delegations}) values ({@delegations}) on conflict do nothing

-- name: update delegation
update delegations set approved = @approved, revoked = @revoked, sealed = @sealed, mac = @mac
where wallet = @old.wallet and hash = @old.hash and mac = @old.mac

-- name: delete wallet's delegations
delete from delegations where wallet = $1

-- name: sweep delegations
delete from delegations where (wallet, hash) in (select wallet, hash from delegations where expires < $1 order by expires limit $2)
