package browser

import (
	"encoding/json"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
)

// Spoken is a part of a page as a screen reader finds it.
type Spoken struct {
	Role string // of WAI-ARIA: "heading", "button", "radio"
	Name string // what it is called
}

// Tree is what a screen reader finds on the page, in the order in which it reads. Texts within a part that is named are
// parts of their own, with the role StaticText.
func (p *Page) Tree() (all []Spoken) {
	p.t.Helper()
	call(p, accessibility.Enable, cdp.Empty{})
	defer call(p, accessibility.Disable, cdp.Empty{})
	nodes := map[accessibility.NodeID]*accessibility.Node{}
	tree := call(p, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes
	for _, n := range tree {
		nodes[n.NodeID] = n
	}
	text := func(v *accessibility.Value) (s string) {
		if v != nil && json.Unmarshal(v.Value, &s) != nil {
			return ""
		}
		return s
	}
	var read func(n *accessibility.Node)
	read = func(n *accessibility.Node) {
		role := text(n.Role)
		if role == "InlineTextBox" { // a line of what was just read
			return
		}
		if !n.Ignored {
			all = append(all, Spoken{role, text(n.Name)})
		}
		for _, id := range n.ChildIDs {
			if child := nodes[id]; child != nil {
				read(child)
			}
		}
	}
	if len(tree) > 0 {
		read(tree[0])
	}
	return all
}
