package keystore

import "walletd/internal/store"

// The service's key is random, made by Init and never changed: a rotation of the
// root key seals it anew, so that the service's record is signed with one key
// from its first entry on, as a wallet's is.
//
// The keystore's row always has it under the root key of the row's generation,
// also while a rotation is not finished, because one write changes both.

// sealService gives the SealedService of the keystore's row.
func sealService(root *keyring, row store.Keystore, service *keyring) []byte {
	return seal(root.seal, servicePlace(row), service.base[:])
}

// openService opens it. The only error is *ForgedError: the row's check is
// right, so whoever holds the root key wrote it, and it is not this package.
func openService(root *keyring, row store.Keystore) (*keyring, error) {
	plain, err := open(root.seal, servicePlace(row), row.SealedService)
	if err != nil || len(plain) != keySize {
		return nil, &ForgedError{Table: tableKeystore, Row: row.ID}
	}
	return newKeyring(serviceKeys, (*[keySize]byte)(plain)), nil
}

func servicePlace(row store.Keystore) []byte {
	return Place{Table: tableKeystore, Row: row.ID, Field: "service", Version: 1}.associated("")
}

// NonceMAC gives the MAC of a nonce that this service makes, with a key derived from the service's for that alone: the
// replicas share it, and no rotation changes it. The only error is ErrLocked.
func (k *Keystore) NonceMAC(message []byte) (MAC, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.open == nil {
		return nil, ErrLocked
	}
	key := subkey(k.open.service.base, serviceKeys+"nonce v1")
	defer clear(key[:])
	return mac(key, message), nil
}
