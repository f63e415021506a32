package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"walletd/api"
)

// commandOf says which command makes each operation of the contract.
var commandOf = map[string]string{
	"askClaims":             "claim",
	"collectClaims":         "claim",
	"collectClaimsSigned":   "claim",
	"listApprovals":         "approvals list",
	"getApproval":           "approvals show",
	"approve":               "approvals approve",
	"reject":                "approvals reject",
	"listSessions":          "sessions list",
	"openSession":           "connect",
	"getSession":            "sessions show",
	"cancelSession":         "sessions cancel",
	"streamEvents":          "events",
	"getPushKey":            "push key",
	"listPushSubscriptions": "push list",
	"subscribePush":         "push subscribe",
	"unsubscribePush":       "push remove",
	"createWallet":          "wallet create",
	"listWallets":           "wallet list",
	"getWallet":             "wallet show",
	"changeWallet":          "wallet set",
	"deleteWallet":          "wallet delete",
	"listAccounts":          "account list",
	"addAccount":            "account create",
	"getPolicy":             "policy show",
	"setPolicy":             "policy set",
	"testPolicy":            "policy test",
	"listGrants":            "grants list",
	"withdrawGrant":         "grants revoke",
	"listApps":              "apps list",
	"nameApp":               "apps name",
	"removeApp":             "apps remove",
	"listDelegations":       "delegations list",
	"revokeDelegation":      "delegations revoke",
	"showProfile":           "profile show",
	"setProfile":            "profile set",
	"listCredentials":       "credentials list",
	"addCredential":         "credentials add",
	"showCredential":        "credentials show",
	"deleteCredential":      "credentials remove",
	"derive":                "derive",
	"createBackup":          "backup create",
	"inspectBackup":         "backup inspect",
	"restoreWallet":         "backup restore",
	"listWalletAudit":       "audit show",
	"verifyWalletAudit":     "audit verify",
	"exportWalletAudit":     "audit export",
	"listWalletArchives":    "audit archives",
	"archiveWalletAudit":    "audit archive",
	"listServiceAudit":      "audit show",
	"verifyServiceAudit":    "audit verify",
	"exportServiceAudit":    "audit export",
	"makeSecretStorageKey":  "secret recovery-key",
	"noteSecretStorageKey":  "secret note-key",
	"findSecretStorageKey":  "secret find-key",
	"listSecrets":           "secret list",
	"readSecret":            "secret get",
	"writeSecret":           "secret put",
	"deleteSecret":          "secret delete",
	"createToken":           "token create",
	"listTokens":            "token list",
	"revokeToken":           "token revoke",
	"showPairing":           "pair",
	"approvePairing":        "pair",
	"rejectPairing":         "pair",
	"getKeystore":           "keystore status",
	"unlock":                "keystore unlock",
	"lock":                  "keystore lock",
	"listSlots":             "keystore slots",
	"addSlot":               "keystore slot add",
	"removeSlot":            "keystore slot remove",
	"rotate":                "keystore rotate",
	"acceptClock":           "keystore clock",
	"snapshot":              "keystore snapshot",
	"healthz":               "health",
	"readyz":                "health",
	"metrics":               "metrics",
	"openapi":               "openapi",
	"invite":                "owner invite",
	"listInvitations":       "owner invitations",
	"withdrawInvitation":    "owner withdraw",
	"listOwners":            "owner list",
	"removeOwner":           "owner remove",
	"listPasskeys":          "device list",
	"namePasskey":           "device name",
	"removePasskey":         "device remove",
	"signOutEverywhere":     "device sign-out",
	"withdrawClaims":        "claim",
	"takeBackRejection":     "approvals take-back",
}

// pagesDo are the operations that are a page's own: sdk/matrix makes them, and no command.
var pagesDo = map[string]string{
	"beginPairing":   "'POST', '/v1/pairings'",
	"pairedToken":    "'POST', `/v1/pairings/${encodeURIComponent(this.#id)}/token`",
	"revokeOwnToken": "'DELETE', '/v1/tokens/self'",
}

// ofAuthenticators are the operations that take a passkey, which no command has.
var ofAuthenticators = []string{
	"openInvitation", "acceptInvitation", "beginSignIn", "signIn", "signOut", "beginPasskey", "addPasskey", "beginTouch", "approvalChallenge",
}

// TestEveryOperationHasACommand walks the contract and the grammar against each other.
func TestEveryOperationHasACommand(t *testing.T) {
	var contract struct {
		Paths map[string]map[string]yaml.Node
	}
	if err := yaml.Unmarshal(api.OpenAPI, &contract); err != nil {
		t.Fatal(err)
	}
	parser, err := newParser(&commands{}, newConsole())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := os.ReadFile("../../sdk/matrix/src/pair.js")
	if err != nil {
		t.Fatal(err)
	}
	operations := map[string]bool{}
	for path, methods := range contract.Paths {
		for method, node := range methods {
			var operation struct {
				ID string `yaml:"operationId"`
			}
			if node.Kind != yaml.MappingNode || node.Decode(&operation) != nil || operation.ID == "" {
				continue // the path's own parameters
			}
			operations[operation.ID] = true
			if slices.Contains(ofAuthenticators, operation.ID) {
				continue
			}
			if call := pagesDo[operation.ID]; call != "" {
				if !strings.Contains(string(pair), call) {
					t.Errorf("%s %s, %s, is not made by sdk/matrix/src/pair.js", strings.ToUpper(method), path, operation.ID)
				}
				continue
			}
			if command := commandOf[operation.ID]; command == "" {
				t.Errorf("%s %s, %s, has no command", strings.ToUpper(method), path, operation.ID)
			} else if !isCommand(parser.Model.Node, command) {
				t.Errorf("%s: there is no command %s", operation.ID, command)
			}
		}
	}
	for id := range commandOf {
		if !operations[id] {
			t.Errorf("the contract has no operation %s", id)
		}
	}
}

// isCommand reports whether words lead to a command that can be run.
func isCommand(node *kong.Node, words string) bool {
	for word := range strings.FieldsSeq(words) {
		if node = childNamed(node, word); node == nil {
			return false
		}
	}
	return len(node.Children) == 0
}
