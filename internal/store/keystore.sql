-- name: keystore
select {keystore} from keystore

-- name: epoch
select epoch from keystore

-- name: keystore at epoch
select 1 from keystore where epoch = $1

-- name: insert keystore
insert into keystore (one, {keystore}) values (1, {@keystore}) on conflict do nothing

-- name: update keystore
update keystore set generation = @generation, epoch = @epoch, sealed_old_root = @sealed_old_root,
    sealed_service = @sealed_service, mac = @mac
where id = @old.id and generation = @old.generation and epoch = @old.epoch and mac = @old.mac

-- name: count failure
update keystore set failures = failures + 1, last_failure = $1 returning {keystore}

-- name: clear failures
update keystore set failures = 0

-- name: raise epoch
update keystore set epoch = epoch + 1 returning epoch
