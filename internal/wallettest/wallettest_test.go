package wallettest_test

import (
	"net/http"
	"testing"

	"walletd/internal/derive"
	"walletd/internal/did"
	"walletd/internal/wallettest"
)

func TestWalletAnswersAnEncryptionKey(t *testing.T) {
	for name, options := range map[string][]wallettest.Option{"SQLite": nil, "PostgreSQL": {wallettest.PostgreSQL()}} {
		t.Run(name, func(t *testing.T) {
			w := wallettest.New(t, options...)
			notes := w.App("Notes")
			asked := notes.Ask(wallettest.EncryptionKey("notes")).Must(http.StatusAccepted)
			w.MustApprove(asked.Text("code"))
			got := notes.Collect(asked.Text("id")).Key()

			// Beside the service: the words, the path of the app, SHA3-256(secret key ‖ salt).
			words, err := derive.ParseWords([]byte(w.Words))
			if err != nil {
				t.Fatal(err)
			}
			key, _, err := derive.Account(words.Seed(), derive.AppPath(notes.DID, 0), did.AccountType())
			if err != nil {
				t.Fatal(err)
			}
			if want := did.EncodeBase58(did.SHA3.Sum(key.Reveal(), []byte("notes"))); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}
