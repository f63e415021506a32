package secrets

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/secretstorage"
	"walletd/internal/store"
	"walletd/internal/strictjson"
)

// offered is one description of a key, in a request for a key or in NoteKey.
type offered struct {
	id          string
	raw         json.RawMessage
	description secretstorage.Description
}

// readOffer parses descriptions by their ids. It skips those that it cannot use; if it can use none, it returns the
// refusal of the first.
func readOffer(raw json.RawMessage) ([]offered, error) {
	object, err := did.ParseObject(raw)
	if err != nil {
		return nil, err
	}
	if len(object.Object) == 0 || len(object.Object) > maxOffered {
		return nil, auth.Invalid("keys must hold 1 to %d descriptions", maxOffered)
	}
	var all []offered
	var first error
	slices.SortFunc(object.Object, func(a, b strictjson.Member) int { return strings.Compare(a.Name, b.Name) })
	for _, m := range object.Object {
		err := secretstorage.CheckKeyID(m.Name)
		o := offered{id: m.Name, raw: m.Value}
		if err == nil {
			o.description, err = secretstorage.ParseDescription(o.raw)
		}
		if err == nil {
			all = append(all, o)
		} else if first == nil {
			first = err
		}
	}
	if len(all) == 0 {
		return nil, first
	}
	return all, nil
}

// fit is a key that matches a description.
type fit struct {
	key    appKey
	offer  offered
	proved bool // the description's check proves it; otherwise the id is stored for the key
}

// rank orders fits, the highest of which answers: that of the account's default key, then the default key here, then a
// proved one, then one whose id is stored (reference 11).
func (f fit) rank(defaultID string) int {
	rank := 0
	for i, is := range []bool{f.key.noted(f.offer.id), f.proved, f.key.isDefault(), f.offer.id == defaultID} {
		if is {
			rank |= 1 << i
		}
	}
	return rank
}

// findFits returns which keys match which descriptions: proved, if the description's check holds for the key, and
// unproved, if the description has no check.
func findFits(c *auth.Caller, account store.Account, keys []appKey, offers []offered) ([]fit, error) {
	descriptions := make([]secretstorage.Description, len(offers))
	for i, o := range offers {
		descriptions[i] = o.description
	}
	var all []fit
	for _, k := range keys {
		results, err := k.fits(c.Wallet.Keys(), account, descriptions)
		if did.CodeOf(err) != "" {
			continue // another account has this salt
		}
		if err != nil {
			return nil, err
		}
		for i, result := range results {
			if result != secretstorage.NoMatch {
				all = append(all, fit{k, offers[i], result == secretstorage.Match})
			}
		}
	}
	return all, nil
}

// best returns the fit that answers, which is proved or whose id is stored for the key, and whether there is one.
// defaultID is the id of the account's default key, "" if it is not known.
func best(all []fit, defaultID string) (fit, bool) {
	all = slices.DeleteFunc(slices.Clone(all), func(f fit) bool { return !f.proved && !f.key.noted(f.offer.id) })
	if len(all) == 0 {
		return fit{}, false
	}
	return slices.MaxFunc(all, func(a, b fit) int { return cmp.Compare(a.rank(defaultID), b.rank(defaultID)) }), true
}

// Question asks which of a client's keys the wallet has.
type Question struct {
	Keys         json.RawMessage // an object: 1 to 16 descriptions by their ids
	Name         string          // the secret that the key is for, which the owner is shown
	DefaultKeyID string          // the id of the account's default key, "" if the client does not say
	Salt         *string         // the salt of the client's key, nil if it does not say
	User         string          // the Matrix user whose storage it is, "" if it does not say
}

// FindKey requests the key that matches one of the descriptions of q. The answer is {"keyId","key"}, with an id of
// q.Keys and a key that matches its description: that of the account's default key if the app has it. FindKey tries
// the default key, those that the app has created here, those of q.Salt and q.User, and those that the descriptions'
// names say, but none that is of another Matrix user than q.User. If a name leads to another app's key, which that app
// made with the words of this wallet and this wallet does not know the app, the owner is always asked. A description without a check matches only a key that is
// stored under its id. Errors: ErrNoKey, those of consent.Pipeline.Answer, and the refusals of package secretstorage
// if no description can be parsed.
func (s *Secrets) FindKey(ctx context.Context, c *auth.Caller, app did.DID, q Question) (consent.Outcome, error) {
	c, err := asApp(c, app)
	if err != nil {
		return consent.Outcome{}, err
	}
	if len(q.Name) > secretstorage.MaxName {
		return consent.Outcome{}, auth.Invalid("name has at most %d bytes", secretstorage.MaxName)
	}
	if err := checkUser(q.User); err != nil {
		return consent.Outcome{}, err
	}
	if q.Salt != nil {
		if err := checkSalt(*q.Salt); err != nil {
			return consent.Outcome{}, err
		}
	}
	offers, err := readOffer(q.Keys)
	if err != nil {
		return consent.Outcome{}, s.pipeline.Refuse(ctx, c, err)
	}
	return s.answer(ctx, c, secretStorageKey(), (&search{question: q, offers: offers}).parsed())
}

// search is a request for whichever of the app's keys matches one of the descriptions.
type search struct {
	question Question
	offers   []offered
	keys     []appKey // the app's keys, as candidates has read them
}

func (s *search) parsed() consent.Parsed {
	return consent.Parsed{Candidates: s.candidates, Read: s.read}
}

func (s *search) candidates(ctx context.Context, req *consent.Request) (salts []string, err error) {
	if s.keys, err = rowsOf(req).secretKeys(ctx); err != nil {
		return nil, err
	}
	if s.question.User != "" {
		s.add(SaltOf(s.question.User))
	}
	if s.question.Salt != nil {
		s.add(*s.question.Salt)
	}
	var others []string
	for _, o := range s.offers {
		switch from, named := originOf(o.description.Name()); {
		case !named || isAnothers(from.salt, s.question.User):
		case from.app.Address() == req.Caller.App.Address():
			s.add(from.salt)
		default:
			others = append(others, from.salt)
		}
	}
	s.keys = slices.DeleteFunc(s.keys, func(k appKey) bool { return isAnothers(k.content.Salt, s.question.User) })
	for _, k := range s.keys {
		salts = append(salts, k.content.Salt)
	}
	return append(salts, others...), nil
}

// add adds the key of a salt for which no row is stored.
func (s *search) add(salt string) {
	k := appKey{content: KeyContent{Salt: salt}, salt: did.LooseBytes(salt)}
	if !slices.ContainsFunc(s.keys, func(other appKey) bool { return bytes.Equal(other.salt, k.salt) }) {
		s.keys = append(s.keys, k)
	}
}

// read finds the key that answers, and turns the claim into a request for it.
func (s *search) read(ctx context.Context, req *consent.Request, c *consent.Claim) error {
	keys := slices.DeleteFunc(slices.Clone(s.keys), func(k appKey) bool { return !slices.Contains(c.Candidates, k.content.Salt) })
	found, err := findFits(req.Caller, req.Account, keys, s.offers)
	if err != nil {
		return err
	}
	r := keyRequest{Type: secretStorageKey().Name, Name: s.question.Name, User: s.question.User}
	if f, ok := best(found, s.question.DefaultKeyID); ok {
		r.Salt, r.KeyID, r.KeyInfo = f.key.content.Salt, f.offer.id, f.offer.raw
	} else {
		l, ok, err := s.findLost(ctx, req, c.Candidates)
		if err != nil {
			return err
		}
		if !ok {
			return noKey()
		}
		r.Salt, r.App, r.KeyID, r.KeyInfo = l.origin.salt, l.origin.app.Address(), l.offer.id, l.offer.raw
	}
	c.Stored = r
	c.SetSalt(r.Salt)
	return r.read(ctx, req, c)
}

// NoteKey stores the id that a client gave a key of its app. The description's check says which key. A description
// without a check is taken for the key that the caller's token has created last, unless another key has the id.
// NoteKey needs no approval, because it discloses nothing, but a rule can deny it. Storing the same id again changes
// nothing. If the description matches no key of the app, the refusal is no_match.
func (s *Secrets) NoteKey(ctx context.Context, c *auth.Caller, app did.DID, id string, keyInfo json.RawMessage) error {
	c, err := asApp(c, app)
	if err != nil {
		return err
	}
	o, err := readOne(id, keyInfo)
	if err != nil {
		return s.pipeline.Refuse(ctx, c, err)
	}
	return refuseFull(s.auth.Retry(ctx, c, auth.Tries, func() error { return s.pipeline.Refuse(ctx, c, s.noteOnce(ctx, c, o)) }))
}

// readOne parses a description and its id.
func readOne(id string, keyInfo json.RawMessage) (offered, error) {
	o := offered{id: id, raw: keyInfo}
	err := secretstorage.CheckKeyID(id)
	if err == nil {
		o.description, err = secretstorage.ParseDescription(keyInfo)
	}
	return o, err
}

func (s *Secrets) noteOnce(ctx context.Context, c *auth.Caller, o offered) error {
	_, keys, err := s.noteable(ctx, c, o)
	if err != nil {
		return err
	}
	k, proved, err := s.described(ctx, c, keys, o)
	if err != nil {
		return err
	}
	for _, other := range keys {
		if !proved && other.noted(o.id) && string(other.salt) != string(k.salt) {
			return auth.Invalid("the id is stored for another key, and this description has no check that proves a change")
		}
	}
	return s.noteAs(ctx, c, keys, k, o.id, ledger.SecretKeyNoted)
}

// described returns the key that a description is for, and whether its check proves that.
func (s *Secrets) described(ctx context.Context, c *auth.Caller, keys []appKey, o offered) (appKey, bool, error) {
	account, err := s.auth.EnsureAccount(ctx, c, did.AccountType())
	if err != nil {
		return appKey{}, false, err
	}
	found, err := findFits(c, account, keys, []offered{o})
	if err != nil {
		return appKey{}, false, err
	}
	if f, ok := best(found, ""); ok {
		return f.key, f.proved, nil
	}
	var last appKey
	for _, f := range found { // a description without a check may be for any key
		if made := f.key.content.Makers[c.Token]; made > last.content.Makers[c.Token] {
			last = f.key
		}
	}
	if last.row.Tag == nil {
		return last, false, did.Refuse("no_match", "the description matches no key of this app")
	}
	return last, false, nil
}
