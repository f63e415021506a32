package main

import (
	"context"
	"fmt"

	"walletd/internal/auth"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

type initCmd struct {
	storeFlags
	Passphrase secretFlags `embed:"" prefix:"passphrase-" group:"The passphrase that unlocks the keystore (asked for twice without any other slot):"`
	acceptShort
	Recipient []string `sep:"none" placeholder:"age1…" help:"An age recipient whose identity unlocks the keystore too. May be given again."`
	Recovery  bool     `help:"Make an age identity that unlocks the keystore too, and print it once: for paper."`
}

func (cmd *initCmd) Run(ctx context.Context, con *console) error {
	url, err := cmd.url()
	if err != nil {
		return err
	}
	slots, recovery, err := cmd.slots(ctx, con)
	if err != nil {
		return err
	}
	defer recovery.Wipe()
	st, err := store.Open(ctx, url, store.Options{Create: true})
	if err != nil {
		return err
	}
	defer st.Close()
	text, operator := auth.FirstToken(st.Now())
	err = keystore.New(st, keystore.Options{}).Init(ctx, slots, operator)
	for _, slot := range slots {
		slot.Passphrase.Wipe()
	}
	if err != nil {
		return err
	}
	out := struct { // shown once
		OperatorToken    string `json:"operatorToken"`
		RecoveryIdentity string `json:"recoveryIdentity,omitempty"`
	}{text, string(recovery.Reveal())}
	if con.json {
		return con.JSON(out)
	}
	con.printf("operator token     %s\n", out.OperatorToken)
	if cmd.Recovery {
		con.printf("recovery identity  %s\n", out.RecoveryIdentity)
	}
	con.notef("These are shown once. The token operates the service")
	if cmd.Recovery {
		con.notef("; the identity unlocks it if all else is lost, so keep it on paper, elsewhere")
	}
	con.notef(".\n")
	return nil
}

// slots reads the secrets and says how the keystore is to be opened.
func (cmd *initCmd) slots(ctx context.Context, con *console) (slots []keystore.NewSlot, recovery keystore.Secret, err error) {
	if cmd.Passphrase.given() || len(cmd.Recipient) == 0 && !cmd.Recovery {
		passphrase, err := cmd.newPassphrase(ctx, con, cmd.Passphrase, "passphrase")
		if err != nil {
			return nil, recovery, err
		}
		defer passphrase.Wipe()
		slots = append(slots, keystore.NewSlot{
			Name: "passphrase", Passphrase: keystore.Passphrase(passphrase.Reveal()),
			AcceptShort: true, // a short one was refused already, unless somebody accepted it
		})
	}
	for i, recipient := range cmd.Recipient {
		slots = append(slots, keystore.NewSlot{Name: fmt.Sprintf("age %d", i+1), Recipient: recipient})
	}
	if cmd.Recovery {
		var recipient string
		if recovery, recipient, err = keystore.GenerateRecovery(); err != nil {
			return nil, recovery, err
		}
		slots = append(slots, keystore.NewSlot{Name: "recovery", Recipient: recipient})
	}
	return slots, recovery, nil
}
