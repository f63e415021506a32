-- name: slots
select {slots} from slots order by created, id

-- name: slot
select 1 from slots where id = $1

-- name: put slot
insert into slots ({slots}) values ({@slots})
on conflict (id) do update set kind = excluded.kind, name = excluded.name, params = excluded.params,
    sealed = excluded.sealed, generation = excluded.generation, created = excluded.created, mac = excluded.mac

-- name: delete slot
delete from slots where id = $1 and exists (select 1 from slots where id <> $1)
