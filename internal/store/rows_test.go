package store

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"reflect"
	"testing"

	"golang.org/x/crypto/sha3"
)

// canonicalRows are the rows that a MAC covers, with what Canonical leaves out.
var canonicalRows = []struct {
	row  interface{ Canonical() []byte }
	omit []string
	want string // first bytes of the SHA3-256 of Canonical of the row that fill makes
}{
	{&Keystore{}, []string{"Epoch", "Failures", "LastFailure", "Check"}, "b6827da9"},
	{&Slot{}, []string{"MAC"}, "2c5bf879"},
	{&Token{}, []string{"LastUsed", "MAC"}, "a077dd85"},
	{&App{}, []string{"MAC"}, "c267fa63"},
	{&Approval{}, []string{"MAC"}, "4248f9cd"},
	{&Grant{}, []string{"MAC"}, "1d649ea8"},
	{&Delegation{}, []string{"MAC"}, "59c8f5b3"},
	{&Owner{}, []string{"MAC"}, "5c41c0d1"},
	{&Passkey{}, []string{"MAC"}, "571d6ccd"},
	{&Invitation{}, []string{"MAC"}, "76291ae6"},
	{&Archive{}, []string{"MAC"}, "011245bb"},
}

// fill gives each field a value of its own.
func fill(row any, seed int) {
	v := reflect.ValueOf(row).Elem()
	for i := range v.NumField() {
		n := seed + i + 1
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString(fmt.Sprintf("text %d", n))
		case reflect.Int64:
			f.SetInt(int64(n))
		case reflect.Slice:
			f.SetBytes(fmt.Appendf(nil, "bytes %d", n))
		case reflect.Bool:
			f.SetBool(true)
		}
	}
}

func TestCanonicalCoversEveryColumnButTheMAC(t *testing.T) {
	seen := make(map[string]string)
	for _, tt := range canonicalRows {
		typ := reflect.TypeOf(tt.row).Elem()
		t.Run(typ.Name(), func(t *testing.T) {
			fill(tt.row, 0)
			before := tt.row.Canonical()
			if other, ok := seen[string(before)]; ok {
				t.Errorf("the same bytes as %s", other)
			}
			seen[string(before)] = typ.Name()
			sum := sha3.Sum256(before)
			if got := hex.EncodeToString(sum[:4]); got != tt.want {
				t.Errorf("the format changed: every stored MAC would fail (got %s, want %s)", got, tt.want)
			}
			v := reflect.ValueOf(tt.row).Elem()
			for i := range typ.NumField() {
				name := typ.Field(i).Name
				covered := true
				for _, o := range tt.omit {
					covered = covered && o != name
				}
				was := reflect.New(typ).Elem()
				was.Set(v)
				v.Field(i).SetZero()
				if changed := !bytes.Equal(before, tt.row.Canonical()); changed != covered {
					t.Errorf("%s: changed = %v, want %v", name, changed, covered)
				}
				v.Set(was)
			}
		})
	}
}

// A token from before tokens could be bound to a key, or named an owner, keeps its MAC.
func TestCanonicalLeavesOutAnAddedColumnThatIsEmpty(t *testing.T) {
	var row Token
	fill(&row, 0)
	row.Thumbprint, row.Owner, row.Passkey = "", "", ""
	sum := sha3.Sum256(row.Canonical())
	if got := hex.EncodeToString(sum[:4]); got != "0ee7d699" {
		t.Errorf("every stored MAC would fail (got %s)", got)
	}
}

func TestCanonicalTellsNeighboursApart(t *testing.T) {
	a := Token{ID: "ab", Role: "c"}.Canonical()
	b := Token{ID: "a", Role: "bc"}.Canonical()
	if bytes.Equal(a, b) {
		t.Error("bytes that move from one column to the next are not noticed")
	}
}

func TestNewID(t *testing.T) {
	a, b := NewID(), NewID()
	if len(a) != 26 || a == b {
		t.Errorf("NewID = %q, %q", a, b)
	}
}

func TestChecker(t *testing.T) {
	chain := func(n int) []Record {
		var rs []Record
		prev := firstPrev()
		for i := range n {
			r := Record{Chain: "w", Seq: int64(i + 1), ID: fmt.Sprint("id", i), Time: 5, Kind: "k", Sealed: []byte{byte(i)}, Prev: prev}
			r.Hash = r.Sum(prev)
			prev = r.Hash
			rs = append(rs, r)
		}
		return rs
	}
	tests := []struct {
		name   string
		change func(rs []Record) []Record
		broken int64 // 0: none
	}{
		{"accepts a chain as it was written", func(rs []Record) []Record { return rs }, 0},
		{"notices changed content", func(rs []Record) []Record { rs[2].Sealed = []byte("x"); return rs }, 3},
		{"notices a changed time", func(rs []Record) []Record { rs[1].Time++; return rs }, 2},
		{"notices a changed kind", func(rs []Record) []Record { rs[1].Kind = "other"; return rs }, 2},
		{"notices a changed id", func(rs []Record) []Record { rs[4].ID = "other"; return rs }, 5},
		{"notices an entry left out", func(rs []Record) []Record { return append(rs[:2], rs[3:]...) }, 3},
		{"notices a beginning left out", func(rs []Record) []Record { return rs[1:] }, 1},
		{"notices two entries swapped", func(rs []Record) []Record { rs[1], rs[2] = rs[2], rs[1]; return rs }, 2},
		{"notices an entry of another chain", func(rs []Record) []Record { rs[3].Chain = "v"; return rs }, 4},
		{"notices an entry written anew", func(rs []Record) []Record {
			rs[2].Sealed = []byte("x")
			rs[2].Hash = rs[2].Sum(rs[2].Prev)
			return rs
		}, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Checker{Chain: "w"}
			var got int64
			for _, r := range tt.change(chain(5)) {
				if err := c.Add(r); err != nil {
					got = err.(*BrokenError).Seq
					break
				}
			}
			if got != tt.broken {
				t.Errorf("the first that does not fit is %d, want %d", got, tt.broken)
			}
		})
	}
}
