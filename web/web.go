// Package web holds what the pages for people are made of: templates, a stylesheet, scripts and the messages of each
// language. There is no build step: what stands here is what is served.
package web

import "embed"

// Templates are the pages, as html/template reads them, in the folder templates.
//
//go:embed templates
var Templates embed.FS

// Assets are the files that browsers load as they are, in the folder assets.
//
//go:embed assets
var Assets embed.FS

// Messages are the texts of the pages, in the folder messages: one JSON object for each language, its name that of
// the file. Words in braces are filled in.
//
//go:embed messages
var Messages embed.FS
