package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"walletd/api"
	"walletd/api/client"
)

// claimCmd asks as an app's backend would.
type claimCmd struct {
	asApp
	Type           string        `default:"encryptionKey" enum:"encryptionKey,authPrincipal,profile,signature,agreement,verifiableCredential,asset,assetOrVC,keyPair,prepareTx" placeholder:"TYPE" help:"What to ask for: encryptionKey, authPrincipal, profile, signature, agreement, verifiableCredential, asset, assetOrVC, keyPair or prepareTx."`
	Salt           *string       `placeholder:"TEXT" help:"The salt of an encryptionKey."`
	Description    string        `placeholder:"TEXT" help:"What the owner is told."`
	DelegationFile string        `placeholder:"FILE" type:"path" help:"File with the delegation by which the owner of another account lets this app have its key."`
	With           string        `placeholder:"JSON" help:"More members of the claim, as a JSON object: --type profile --with '{\"items\":[\"fullName\"]}'."`
	Wait           time.Duration `placeholder:"5m" help:"Wait so long for the owner, if they are asked."`
	Collect        string        `placeholder:"ID" help:"Ask nothing new: collect the answer to what was asked before."`
	Withdraw       string        `placeholder:"ID" help:"Ask nothing new: withdraw what was asked before, so that the owner is not asked any more."`
	Signed         string        `placeholder:"FILE" type:"path" help:"Ask, or with --collect collect, by a request that the app has signed, without a token: {\"appPk\",\"authInfo\"}. - reads the standard input."`
}

// Help is what claim --help says besides.
func (claimCmd) Help() string {
	return `The answer is printed: the key of an encryptionKey, the account of an authPrincipal, any other claim as JSON.
If the owner has to be asked, it prints what waits and exits with 3; --wait waits, --collect collects later.`
}

// Validate refuses flags that do not go together.
func (cmd *claimCmd) Validate() error {
	if len(cmd.Collect) == 6 {
		return usagef("--collect takes the id that stood beside the code: the code is for the owner")
	}
	if cmd.Withdraw != "" {
		if cmd.Signed != "" || cmd.Collect != "" {
			return usagef("--withdraw stands alone")
		}
		return nil
	}
	if cmd.Signed != "" && (cmd.Salt != nil || cmd.With != "" || cmd.DelegationFile != "") {
		return usagef("--signed has the claims in it: leave the others out")
	}
	if cmd.Collect == "" && cmd.Signed == "" && cmd.Salt == nil && cmd.Type == "encryptionKey" && cmd.With == "" {
		return usagef("an encryptionKey needs a salt: --salt TEXT")
	}
	return nil
}

// ProvideClient makes a client without a token for what is signed, else an app's.
func (cmd *claimCmd) ProvideClient(con *console) (*client.Client, error) {
	if cmd.Signed != "" {
		return cmd.openBare()
	}
	return cmd.open(con, api.RoleApp)
}

// Run asks, waits and prints the answer.
func (cmd *claimCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	if cmd.Signed != "" {
		return cmd.signed(ctx, c, out)
	}
	if cmd.Withdraw != "" {
		err := c.Withdraw(ctx, cmd.Withdraw)
		return show(out, api.Empty{}, err, func(api.Empty) { out.printf("withdrawn %s\n", shown(cmd.Withdraw)) })
	}
	answer, err := cmd.ask(ctx, c)
	if p, ok := errors.AsType[*client.PendingError](err); ok {
		out.notef("Waiting for the owner, who sees the code %s, until %s.\n", shown(p.Code), day(p.ExpiresAt))
		if cmd.Wait > 0 {
			waiting, cancel := context.WithTimeout(ctx, cmd.Wait)
			defer cancel()
			answer, err = c.Await(waiting, p.ID)
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				err = p // the time was too short for the service to say so itself
			}
		}
		if _, cut := errors.AsType[*client.UnreachableError](err); cut {
			return withHint(err, "collect the answer with walletd claim --collect "+shellQuote(shown(p.ID))+" --wait 5m") // it still waits
		}
	}
	if err != nil {
		return out.pending(err, "collect the answer with walletd claim --collect %s --wait 5m")
	}
	return show(out, answer, nil, out.printAnswer)
}

// ask makes the first request: the claim, or the collection of one asked before.
func (cmd *claimCmd) ask(ctx context.Context, c *client.Client) (api.Answered, error) {
	if cmd.Collect != "" {
		return c.Collect(ctx, cmd.Collect, 0)
	}
	claim, err := cmd.claim()
	if err != nil {
		return api.Answered{}, err
	}
	return c.Ask(ctx, claim)
}

// claim makes the claim of the flags.
func (cmd *claimCmd) claim() (map[string]json.RawMessage, error) {
	claim := map[string]json.RawMessage{} // as they are: what is wrong with them the service says
	if cmd.With != "" {
		if err := json.Unmarshal([]byte(cmd.With), &claim); err != nil || claim == nil {
			return nil, withHint(usagef("--with is not a JSON object"), `as in --with '{"items":["fullName"]}'`)
		}
	}
	set := func(member, text string) error {
		if _, twice := claim[member]; twice {
			return usagef("--with has %s, for which there is a flag", member)
		}
		value, err := json.Marshal(text)
		claim[member] = value
		return err
	}
	err := set("type", cmd.Type)
	if cmd.Salt != nil {
		err = errors.Join(err, set("salt", *cmd.Salt))
	}
	if cmd.Description != "" {
		err = errors.Join(err, set("description", cmd.Description))
	}
	if cmd.DelegationFile != "" {
		file, openErr := os.Open(cmd.DelegationFile)
		if openErr != nil {
			return nil, openErr
		}
		defer file.Close()
		delegation, readErr := readSecret(file, cmd.DelegationFile, 16<<10, oneLine)
		if readErr != nil {
			return nil, readErr
		}
		err = errors.Join(err, set("delegation", string(delegation.Reveal())))
	}
	return claim, err
}

// signed sends a request that was signed elsewhere, and prints what walletd signed.
func (cmd *claimCmd) signed(ctx context.Context, c *client.Client, out *console) error {
	file, err := readJSON(out, cmd.Signed, "the signed request", `a signed request is {"appPk":"z…","authInfo":"eyJ…"}`)
	if err != nil {
		return err
	}
	var ask api.AskSigned
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields()
	if err := d.Decode(&ask); err != nil {
		return fmt.Errorf("reading the signed request: %w", err)
	}
	var answer api.SignedAnswer
	if cmd.Collect != "" {
		answer, err = c.CollectSigned(ctx, cmd.Collect, ask)
	} else {
		answer, err = c.AskSigned(ctx, ask)
	}
	if err != nil {
		return out.pending(err, "sign the request anew with the id as approval, and collect the answer with walletd claim --collect %s --signed FILE")
	}
	return show(out, answer, nil, func(api.SignedAnswer) { _ = out.JSON(answer) })
}

func (con *console) printAnswer(a api.Answered) {
	for _, claim := range a.RequestedClaims {
		var c struct {
			Type api.ClaimName
			Key  string
		}
		_ = json.Unmarshal(claim, &c) // what does not fit is printed as it is
		switch c.Type {
		case api.ClaimEncryptionKey:
			con.printf("%s\n", shown(c.Key))
		case api.ClaimAuthPrincipal:
			con.printf("%s\n", shown(a.UserDID))
		default:
			con.printf("%s\n", shown(string(claim)))
		}
	}
	con.notef("%s\n", shown(a.Reason))
}

// pending shows what waits for the owner, if that is what an error says, with the id in the hint of
// what to do next; any other error is passed on.
func (con *console) pending(err error, hint string) error {
	p, ok := errors.AsType[*client.PendingError](err)
	if !ok {
		return err
	}
	if con.json {
		if err := con.JSON(p.Pending); err != nil {
			return err
		}
	} else {
		con.printf("pending %s code %s\n", shown(p.ID), shown(p.Code))
	}
	return withHint(err, fmt.Sprintf(hint, shellQuote(shown(p.ID))))
}
