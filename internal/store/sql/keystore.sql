-- name: keystore
select id, generation, epoch, sealed_old_root, sealed_service, failures, last_failure, dev, mac from keystore

-- name: epoch
select epoch from keystore

-- name: keystore at epoch
select 1 from keystore where epoch = $1

-- name: slots
select id, kind, name, params, sealed, generation, created, mac from slots order by created, id

-- name: insert keystore
insert into keystore (one, id, generation, epoch, sealed_old_root, sealed_service, failures, last_failure, dev, mac)
values (1, $1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing

-- name: update keystore
update keystore set generation = $1, epoch = $2, sealed_old_root = $3, sealed_service = $4, mac = $5
where id = $6 and generation = $7 and epoch = $8 and mac = $9

-- name: count failure
update keystore set failures = failures + 1, last_failure = $1
returning id, generation, epoch, sealed_old_root, sealed_service, failures, last_failure, dev, mac

-- name: clear failures
update keystore set failures = 0

-- name: raise epoch
update keystore set epoch = epoch + 1 returning epoch

-- name: put slot
insert into slots (id, kind, name, params, sealed, generation, created, mac)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (id) do update set kind = excluded.kind, name = excluded.name, params = excluded.params,
    sealed = excluded.sealed, generation = excluded.generation, created = excluded.created, mac = excluded.mac

-- name: slot
select 1 from slots where id = $1

-- name: delete slot
delete from slots where id = $1 and exists (select 1 from slots where id <> $1)
