package did

import (
	"encoding/binary"
	"math/bits"
)

// keccak is the Keccak sponge with the padding it had before it became SHA-3.
// It exists for Keccak-384 alone: golang.org/x/crypto/sha3 has the 256-bit and
// the 512-bit size, to which the tests compare this one. Identifiers hash a
// few dozen public bytes, so it is written to be read and not to be fast.
type keccak struct {
	size int // bytes of output
	in   []byte
}

func newKeccak(size int) *keccak { return &keccak{size: size} }

func (k *keccak) Write(p []byte) (int, error) {
	k.in = append(k.in, p...)
	return len(p), nil
}

func (k *keccak) Reset()         { k.in = k.in[:0] }
func (k *keccak) Size() int      { return k.size }
func (k *keccak) BlockSize() int { return 200 - 2*k.size }

func (k *keccak) Sum(b []byte) []byte {
	rate := k.BlockSize()
	padded := append([]byte(nil), k.in...)
	padded = append(padded, 0x01)
	for len(padded)%rate != 0 {
		padded = append(padded, 0)
	}
	padded[len(padded)-1] |= 0x80

	var state [25]uint64
	for ; len(padded) > 0; padded = padded[rate:] {
		for i := range rate / 8 {
			state[i] ^= binary.LittleEndian.Uint64(padded[8*i:])
		}
		permute(&state)
	}
	var out [200]byte
	for i, lane := range state {
		binary.LittleEndian.PutUint64(out[8*i:], lane)
	}
	return append(b, out[:k.size]...)
}

// permute is Keccak-f[1600]: 24 rounds over 5×5 lanes, lane (x, y) at x+5y
// (FIPS 202 section 3.3).
func permute(a *[25]uint64) {
	lfsr := byte(1) // makes the round constants, FIPS 202 algorithm 5
	for range 24 {
		// θ
		var c [5]uint64
		for x := range 5 {
			c[x] = a[x] ^ a[x+5] ^ a[x+10] ^ a[x+15] ^ a[x+20]
		}
		for x := range 5 {
			d := c[(x+4)%5] ^ bits.RotateLeft64(c[(x+1)%5], 1)
			for y := 0; y < 25; y += 5 {
				a[x+y] ^= d
			}
		}
		// ρ and π
		x, y, lane := 1, 0, a[1]
		for t := range 24 {
			x, y = y, (2*x+3*y)%5
			a[x+5*y], lane = bits.RotateLeft64(lane, (t+1)*(t+2)/2), a[x+5*y]
		}
		// χ
		for y := 0; y < 25; y += 5 {
			row := [5]uint64(a[y : y+5])
			for x := range 5 {
				a[x+y] = row[x] ^ (^row[(x+1)%5] & row[(x+2)%5])
			}
		}
		// ι
		for j := range 7 {
			if lfsr&1 != 0 {
				a[0] ^= 1 << (1<<j - 1)
			}
			carry := lfsr >> 7
			lfsr = lfsr<<1 ^ carry*0x71
		}
	}
}
