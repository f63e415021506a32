package claims

// What only tests of this package see.

const MaxText = maxText
const MethodNone = methodNone

var CheckText = checkText
var CheckDigest = checkDigest
var Fits = fits
var ReadFilters = readFilters
var ShownFilter = shownFilter
