package store

import "context"

// Wallet is one person's wallet.
type Wallet struct {
	ID         string // address of its own account
	Generation int64  // of the root key that SealedKey is under
	SealedKey  []byte // the wallet's key, under the root key
	Sealed     []byte // the content, under the wallet's key
	// Version is 1 at first. The store raises it with every write that a cached
	// decision could depend on (those whose comment says "Raises"), so it can't
	// be part of what Sealed is bound to.
	Version int64
	Created int64
}

func (w *Wallet) columns() []column {
	return []column{
		plain("id", &w.ID),
		plain("generation", &w.Generation),
		plain("sealed_key", &w.SealedKey),
		plain("sealed", &w.Sealed),
		plain("version", &w.Version),
		plain("created", &w.Created),
	}
}

func (Wallet) Table() string { return "wallets" }
func (w Wallet) Key() string { return w.ID }

var (
	getWallet       = reads[Wallet]("wallet")
	walletFrom      = reads[Wallet]("wallet from")
	listWallets     = reads[Wallet]("wallets")
	staleWallets    = reads[Wallet]("stale wallets")
	insertWallet    = writes[Wallet]("insert wallet")
	updateWallet    = writes[Wallet]("update wallet")
	rotateWallet    = statement("rotate wallet")
	raiseVersion    = statement("raise version")
	walletAtVersion = statement("wallet at version")
	deleteWallet    = statement("delete wallet")

	// deleteOfWallet is what a wallet takes with it: everything of it but its chain, and its used
	// nonces, which Sweep forgets when their time comes.
	deleteOfWallet = []*query{
		statement("delete wallet's accounts"),
		statement("delete wallet's paths"),
		statement("delete wallet's policy"),
		statement("delete wallet's tokens"),
		statement("delete wallet's apps"),
		statement("delete wallet's approvals"),
		statement("delete wallet's grants"),
		statement("delete wallet's delegations"),
		statement("delete wallet's profile"),
		statement("delete wallet's credentials"),
		statement("delete wallet's sessions"),
		statement("delete wallet's secret keys"),
		statement("delete wallet's secrets"),
		statement("delete wallet's push subscriptions"),
		statement("delete wallet's restored record"),
		statement("delete wallet's owners"),
		statement("delete wallet's passkeys"),
		statement("delete wallet's invitations"),
	}
)

// Wallets lists the wallets.
func (s *Store) Wallets(ctx context.Context, p Page) (rows []Wallet, next string, err error) {
	return paged(p, func(w Wallet) position { return position{w.Created, w.ID} },
		func(after position, limit int) ([]Wallet, error) {
			return many(ctx, s, listWallets, after.at, after.id, limit)
		})
}

// Wallet reads a wallet, or ErrNotFound.
func (s *Store) Wallet(ctx context.Context, id string) (Wallet, error) {
	return one(ctx, s, getWallet, id)
}

// WalletFrom reads the wallet with an id or, where there is none, the one that is next in the order of ids, after the
// last of which is the first. ErrNotFound if there is no wallet.
func (s *Store) WalletFrom(ctx context.Context, id string) (Wallet, error) {
	found, err := many(ctx, s, walletFrom, id)
	if err == nil && len(found) == 0 {
		return one(ctx, s, walletFrom, "")
	}
	if err != nil {
		return Wallet{}, err
	}
	return found[0], nil
}

// StaleWallets reads up to limit wallets whose key is under another generation
// of the root key than this one: what a rotation has left to do.
func (s *Store) StaleWallets(ctx context.Context, generation int64, limit int) ([]Wallet, error) {
	return many(ctx, s, staleWallets, generation, limit)
}

// InsertWallet makes a wallet of version 1. ErrExists. The Change is on the
// service's chain.
func InsertWallet(w Wallet) Write {
	w.Version = 1
	return Write{chain: ServiceChain, steps: []step{insertWallet.row(w, ErrExists)}}
}

// UpdateWallet replaces the wallet's content, Sealed, if its version is still
// w.Version; else ErrChanged. Raises.
func UpdateWallet(w Wallet) Write {
	return Write{raises: w.ID, steps: []step{updateWallet.row(w, ErrChanged)}}
}

// RotateWallet replaces the wallet's sealed key, if it is still under the root
// key of generation from; else ErrChanged. Raises.
func RotateWallet(id string, from, to int64, sealedKey []byte) Write {
	return Write{raises: id, steps: []step{rotateWallet.step(ErrChanged, sealedKey, to, id, from)}}
}

// DeleteWallet removes the wallet and everything of it but its chain.
// ErrNotFound. The Change is on the wallet's chain.
func DeleteWallet(id string) Write {
	w := Write{chain: id, raises: id, steps: []step{deleteWallet.step(ErrNotFound, id)}}
	for _, of := range deleteOfWallet {
		w.steps = append(w.steps, of.step(nil, id))
	}
	return w
}

// raising is a Write that raises the wallet's version before its steps.
func raising(wallet string, steps ...step) Write {
	return Write{raises: wallet, steps: append([]step{raiseVersion.step(ErrNotFound, wallet)}, steps...)}
}
