# Completion of labelctl in fish: labelctl completion fish > ~/.config/fish/completions/labelctl.fish

function __labelctl_complete
    set -l found (LABELCTL_COMPLETE=(commandline -cp | string collect) labelctl 2>/dev/null)
    if test $status -ne 0
        __fish_complete_path (commandline -ct)
    else
        printf '%s\n' $found
    end
end

complete --command labelctl --no-files --arguments '(__labelctl_complete)'
