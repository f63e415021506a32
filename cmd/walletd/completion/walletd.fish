# Completion of walletd for fish: walletd completion fish | source

function __walletd_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l candidates ($words[1] complete -- $words[2..-1] "$current" 2>/dev/null)
    if test "$candidates[1]" = :file
        set -l flag (string match -r -- '^--[^=]*=' "$current")
        for path in (__fish_complete_path (string replace -r -- '^--[^=]*=' '' "$current"))
            echo "$flag$path"
        end
    else
        printf '%s\n' $candidates
    end
end

complete -c walletd -f -a '(__walletd_complete)'
