//! Recognises commands that shut the computer down, in the scheduled tasks of Windows.

use jiff::SignedDuration;

/// How long `shutdown.exe` waits without `/t`
/// (<https://learn.microsoft.com/windows-server/administration/windows-commands/shutdown>).
const DEFAULT_DELAY: SignedDuration = SignedDuration::from_secs(30);

/// The deepest nesting of shells (`cmd /c powershell -Command …`).
const MAX_NESTED_SHELLS: usize = 4;

/// Programs whose arguments are text for people, or a command that something else runs later.
const NOT_RUN: [&str; 6] = ["echo", "eventcreate", "msg", "rem", "schtasks", "title"];

/// Returns how long after its start the command shuts the computer down or restarts it; `None` if it does neither.
///
/// Understands `shutdown.exe`, PowerShell's `Stop-Computer` and `Restart-Computer`, and both behind `cmd`, PowerShell
/// or a launcher that gets the program as an argument of its own.
pub(super) fn shutdown_delay(program: &str, arguments: &str) -> Option<SignedDuration> {
    let (program, arguments) = (program.to_lowercase(), arguments.to_lowercase());
    run(base_name(program.trim().trim_matches('"')), &arguments, MAX_NESTED_SHELLS)
}

fn run(program: &str, arguments: &str, nesting: usize) -> Option<SignedDuration> {
    match program {
        "cmd" => {
            let (_, command) = after_option(arguments, &["/c", "/k", "/r"])?;
            // `cmd /c "…"`: the outer quotes are not part of the command.
            let command = command.trim();
            let inner = command.strip_prefix('"').and_then(|inner| inner.strip_suffix('"'));
            script(inner.unwrap_or(command), &['&', '|', '\n'], nesting)
        }
        "powershell" | "pwsh" => match after_option(arguments, &["-command", "-c", "/command", "/c"]) {
            Some((_, command)) => script(&unquoted(command), &[';', '|', '&', '\n', '{', '}'], nesting),
            None => script(arguments, &[';', '|', '&', '\n', '{', '}'], nesting),
        },
        _ => command(program, words(arguments, &['"']), nesting),
    }
}

/// Returns the delay of the first command of a script that shuts down.
fn script(text: &str, separators: &[char], nesting: usize) -> Option<SignedDuration> {
    let nesting = nesting.checked_sub(1)?;
    split_unquoted(text, separators).into_iter().find_map(|text| {
        let text = text.trim();
        let words = words(text, &['"', '\'']);
        let (first, rest) = words.split_first()?;
        let program = base_name(first);
        if matches!(program, "cmd" | "powershell" | "pwsh") {
            // The program's name has no blank that is not quoted.
            let arguments = text.split_once([' ', '\t']).map_or("", |(_, arguments)| arguments);
            return run(program, arguments, nesting);
        }
        command(program, rest.to_vec(), nesting)
    })
}

fn command(program: &str, arguments: Vec<String>, nesting: usize) -> Option<SignedDuration> {
    if NOT_RUN.contains(&program) {
        return None;
    }
    let mut program = program.to_owned();
    let mut arguments = arguments.into_iter();
    // A launcher (`start "" shutdown /s`, `conhost --headless shutdown /s`): the program is one of its words.
    loop {
        match program.as_str() {
            "stop-computer" | "restart-computer" => return Some(SignedDuration::ZERO),
            "shutdown" => return options(arguments.collect()),
            "cmd" | "powershell" | "pwsh" => {
                let line: Vec<String> = arguments.map(|word| format!("\"{word}\"")).collect();
                return run(&program, &line.join(" "), nesting.checked_sub(1)?);
            }
            _ => program = base_name(&arguments.next()?).to_owned(),
        }
    }
}

/// Parses the arguments of `shutdown.exe`.
fn options(arguments: Vec<String>) -> Option<SignedDuration> {
    // `Start-Process shutdown '/s /t 60'`: all arguments in one word; `'/s','/t','60'`: a list.
    let arguments = arguments.into_iter().flat_map(|word| {
        if !word.starts_with(['/', '-']) {
            vec![word]
        } else if word.contains(' ') && word.split(' ').all(|part| !part.is_empty()) && is_option(first_word(&word)) {
            words(&word, &['"'])
        } else {
            word.split(',').map(str::to_owned).collect()
        }
    });
    let (mut goes_down, mut delay) = (false, DEFAULT_DELAY);
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        if !is_option(&argument) {
            continue;
        }
        for option in argument[1..].split('/') {
            match option {
                "s" | "sg" | "r" | "g" => goes_down = true,
                "p" => (goes_down, delay) = (true, SignedDuration::ZERO),
                // Abort, log off, hibernate, ask in a window, help: the computer stays up, whatever else is given.
                "a" | "l" | "h" | "i" | "?" => return None,
                // Another computer.
                "m" => {
                    let name = arguments.next().unwrap_or_default();
                    if !matches!(name.trim_matches('\\'), "localhost" | "127.0.0.1" | "." | "%computername%") {
                        return None;
                    }
                }
                "t" => {
                    let seconds = arguments.next().and_then(|seconds| seconds.parse().ok());
                    // `/p` allows no delay.
                    if !delay.is_zero() {
                        delay = seconds.map_or(delay, SignedDuration::from_secs);
                    }
                }
                // A message or a reason, which may look like options.
                "c" | "d" => drop(arguments.next()),
                _ => {}
            }
        }
    }
    goes_down.then_some(delay)
}

/// Returns whether the word is one option of `shutdown.exe`, or several glued together (`/s/f/t`).
fn is_option(word: &str) -> bool {
    const ALL: [&str; 18] =
        ["?", "a", "c", "d", "e", "f", "fw", "g", "h", "hybrid", "i", "l", "m", "o", "p", "r", "s", "sg"];
    let known = |option: &str| option == "t" || option == "soft" || ALL.contains(&option);
    word.strip_prefix(['/', '-']).is_some_and(|options| options.split('/').all(known))
}

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or(text)
}

/// Splits a command line as `CommandLineToArgvW` does, but for escaped quotes, which end up in the word.
fn words(line: &str, quotes: &[char]) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut previous = ' ';
    for c in line.chars() {
        match quote {
            Some(end) if c == end && previous != '\\' => quote = None,
            None if quotes.contains(&c) && previous != '\\' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
        previous = c;
    }
    words.extend(word);
    words
}

/// Splits a script at separators that are not within quotes.
fn split_unquoted<'a>(text: &'a str, separators: &[char]) -> Vec<&'a str> {
    let mut quote = None;
    text.split(|c: char| match quote {
        Some(end) => {
            if c == end {
                quote = None;
            }
            false
        }
        None if c == '"' || c == '\'' => {
            quote = Some(c);
            false
        }
        None => separators.contains(&c),
    })
    .collect()
}

/// Returns an option of a shell and what follows it: the command.
fn after_option<'a>(arguments: &'a str, options: &[&str]) -> Option<(&'a str, &'a str)> {
    let mut rest = arguments.trim_start();
    while !rest.is_empty() {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if options.contains(&word.trim_matches('"')) {
            return Some((word, after));
        }
        rest = after.trim_start();
    }
    None
}

/// A PowerShell command may be one quoted argument.
fn unquoted(command: &str) -> String {
    let command = command.trim();
    match command.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
        Some(inner) => inner.replace("\\\"", "\""),
        None => command.to_owned(),
    }
}

/// The name of a program without its folder and its ending.
fn base_name(path: &str) -> &str {
    let name = path.rsplit(['\\', '/']).next().unwrap_or(path);
    name.strip_suffix(".exe").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(program: &str, arguments: &str) -> Option<i64> {
        shutdown_delay(program, arguments).map(|delay| delay.as_secs())
    }

    /// A task as `schtasks /query /xml` writes it, whose message tells how to call the shutdown off.
    #[test]
    fn exported_task_with_a_message_is_recognised() {
        let bytes = include_bytes!("task.xml");
        let units: Vec<u16> = bytes.as_chunks().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
        let text = String::from_utf16(&units).expect("UTF-16");
        let task = roxmltree::Document::parse(text.trim_start_matches('\u{feff}')).expect("XML");
        let find = |name| task.descendants().find(|node| node.has_tag_name(name)).and_then(|node| node.text());
        let (program, arguments) = (find("Command").expect("a program"), find("Arguments").expect("arguments"));
        assert!(arguments.contains("shutdown /a"));
        assert_eq!(shutdown_delay(program, arguments), Some(SignedDuration::from_secs(300)));
    }

    #[test]
    fn fuzz_task_arguments() {
        let seeds: [&[u8]; 4] = [
            b"shutdown.exe /s /t 60 /c \"Bonne nuit\" /d p:0:0",
            b"cmd /c start \"\" /wait shutdown -s -t 10 & exit",
            b"powershell -Command \"& {Start-Process shutdown '/s','/t','60'}; Stop-Computer\"",
            b"conhost --headless cmd /c powershell -c \"cmd /c shutdown /r\"",
        ];
        crate::fuzz::fuzz(&seeds, |text| {
            let text = String::from_utf8_lossy(text);
            let (program, arguments) = text.split_once(' ').unwrap_or((&text, ""));
            shutdown_delay(program, arguments);
        });
    }

    #[test]
    fn shutdown_commands_are_recognised() {
        for (program, arguments, expected) in [
            (r"C:\Windows\System32\shutdown.exe", "/s /f /t 300", 300),
            (r"%windir%\System32\shutdown.exe", "/s/f/t 300", 300),
            ("SHUTDOWN", "-r", 30),
            ("shutdown.exe", "/p /t 60", 0),
            ("shutdown.exe", "/t 60 /p", 0),
            ("shutdown.exe", "/s /hybrid /soft /t 10 /d p:0:0", 10),
            ("shutdown.exe", r"/s /m \\localhost /t 10", 10),
            ("cmd.exe", "/c \"shutdown /s /t 60\"", 60),
            ("cmd.exe", "/c shutdown /s /t 60", 60),
            ("cmd", r#"/d /c ""C:\Windows\System32\shutdown.exe" /s /t 60""#, 60),
            ("cmd", r#"/c echo Bonsoir & start "" shutdown -s -t 90 -c "pour annuler : shutdown /a""#, 90),
            (r#""C:\Program Files\Outils\shutdown.exe""#, "/s", 30),
            (r"C:\Program Files\Outils\shutdown.exe", "/s", 30),
            ("powershell.exe", "-NoProfile -Command \"Stop-Computer -Force\"", 0),
            ("powershell.exe", "-NoProfile Restart-Computer", 0),
            ("powershell.exe", "-Command \"& {shutdown /s /t 120}\"", 120),
            ("powershell.exe", "-Command Start-Process shutdown.exe -ArgumentList '/s','/t','60'", 60),
            ("powershell.exe", "-Command \"Start-Process shutdown '/s /t 60'\"", 60),
            ("conhost.exe", "--headless shutdown.exe /s /t 60", 60),
        ] {
            assert_eq!(seconds(program, arguments), Some(expected), "{program} {arguments}");
        }
    }

    #[test]
    fn a_quoted_message_is_not_an_option() {
        let message = "/s /f /t 300 /d p:0:0 /c \"Arrêt automatique dans 5 minutes. Pour annuler : shutdown /a\"";
        assert_eq!(seconds(r"%windir%\System32\shutdown.exe", message), Some(300));
        for (message, expected) in [
            ("/s /t 300 /c \"voir /h\"", 300),
            ("/s /c \"encore /t 10 minutes\" /t 300", 300),
            ("/s /t 300 /c \"fin : /p ou /l\"", 300),
            ("/s /t 300 /c \"/a\"", 300),
            ("/c \"shutdown /a\" /s", 30),
            ("/s /t 300 /c\"voir /a\"", 300),
            ("/s /t 300 /c \"dit \\\"shutdown /a\\\" ici /h\"", 300),
        ] {
            assert_eq!(seconds("shutdown.exe", message), Some(expected), "{message}");
        }
        assert_eq!(seconds("cmd", "/c shutdown /s /t 60 /c \"voir /a & /h\""), Some(60));
    }

    #[test]
    fn commands_that_leave_the_computer_up_are_not_recognised() {
        for (program, arguments) in [
            ("shutdown.exe", "/a"),
            ("shutdown.exe", "/l"),
            ("shutdown.exe", "/h"),
            ("shutdown.exe", "/s /a"),
            ("shutdown.exe", ""),
            ("shutdown.exe", "/i"),
            ("shutdown.exe", "/f /t 60"),
            ("shutdown.exe", "/c \"/s\""),
            ("shutdown.exe", r"/s /m \\SERVEUR"),
            ("shutdown.exe", "/restart"),
            ("backup.exe", "/s"),
            ("backup.exe", "--before-shutdown /s"),
            ("backup.exe", "--comment \"shutdown /s\""),
            ("msg.exe", "* shutdown /s vient"),
            ("cmd", "/c echo shutdown /s"),
            ("schtasks", "/create /tr shutdown /s"),
            ("cmd", "/c"),
            ("powershell", "-File C:\\shutdown.ps1"),
            ("", ""),
        ] {
            assert_eq!(seconds(program, arguments), None, "{program} {arguments}");
        }
    }

    proptest! {
        #[test]
        fn no_message_changes_the_meaning(message in "[a-z /\\-&;'0-9éè:.]{0,60}") {
            let arguments = format!("/s /t 300 /c \"{message}\" /f");
            prop_assert_eq!(seconds("shutdown.exe", &arguments), Some(300));
        }

        #[test]
        fn no_command_line_panics(program in ".{0,20}", arguments in ".{0,60}", shell in 0..4_usize) {
            seconds(&program, &arguments);
            seconds(["cmd", "powershell", "shutdown", "start"][shell], &format!("/c {arguments}"));
        }
    }
}
