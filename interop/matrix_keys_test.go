package interop_test

import (
	"maps"
	"strings"
)

// The keys of the user's devices and of the user, which their clients find by each other.

func (h *homeserver) uploadKeys(r *request) any {
	d := h.devices[r.device]
	if keys, ok := r.body["device_keys"].(object); ok {
		d.keys = keys
		h.keysAt = h.changed()
	}
	if keys, ok := r.body["one_time_keys"].(object); ok {
		maps.Copy(d.oneTime, keys)
	}
	if keys, ok := r.body["fallback_keys"].(object); ok {
		d.fallback = keys
	}
	return object{"one_time_key_counts": object{"signed_curve25519": len(d.oneTime)}}
}

func (h *homeserver) queryKeys(r *request) any {
	devices := object{}
	for name, d := range h.devices {
		if d.keys != nil {
			devices[name] = d.keys
		}
	}
	out := object{"device_keys": object{h.user: devices}, "failures": object{}}
	for kind, key := range h.crossKeys {
		out[kind+"s"] = object{h.user: key}
	}
	return out
}

func (h *homeserver) claimKeys(r *request) any {
	asked, _ := r.body["one_time_keys"].(object)
	of, _ := asked[h.user].(object)
	given := object{}
	for name := range of {
		d := h.devices[name]
		if d == nil {
			continue
		}
		for id, key := range d.oneTime {
			given[name] = object{id: key}
			delete(d.oneTime, id)
			break
		}
		if given[name] == nil && d.fallback != nil {
			given[name] = d.fallback
		}
	}
	return object{"one_time_keys": object{h.user: given}, "failures": object{}}
}

func (h *homeserver) uploadCrossKeys(r *request) any {
	for _, kind := range []string{"master_key", "self_signing_key", "user_signing_key"} {
		if key, ok := r.body[kind].(object); ok {
			h.crossKeys[kind] = key
		}
	}
	h.keysAt = h.changed()
	return object{}
}

// uploadSignatures adds the signatures of a device or key that is there to those it has.
func (h *homeserver) uploadSignatures(r *request) any {
	of, _ := r.body[h.user].(object)
	for id, signed := range of {
		target := object(nil)
		if d := h.devices[id]; d != nil {
			target = d.keys
		}
		for _, key := range h.crossKeys {
			for name := range key["keys"].(object) {
				if strings.HasSuffix(name, ":"+id) {
					target = key
				}
			}
		}
		if target == nil {
			continue
		}
		all, _ := target["signatures"].(object)
		if all == nil {
			all = object{}
			target["signatures"] = all
		}
		added, _ := signed.(object)["signatures"].(object)
		for user, signatures := range added {
			if all[user] == nil {
				all[user] = object{}
			}
			maps.Copy(all[user].(object), signatures.(object))
		}
	}
	h.keysAt = h.changed()
	return object{"failures": object{}}
}
