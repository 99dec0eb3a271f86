//! Reads a client's output: at most a limited amount, and without leaving copies of a secret that it repeats.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use vigie_core::connect::Secret;
use vigie_core::sanitize::sanitize;
use zeroize::Zeroizing;

/// The most bytes that a client may print before the tunnel is up; more is an error.
const MAX_OUTPUT_BYTES: usize = 256 * 1024;
/// Bytes of one line that are examined.
const MAX_LINE_BYTES: usize = 4096;
/// Bytes that are read at once.
const READ_BYTES: usize = 1024;
/// How long a client must be silent before its output counts as complete. Nothing else marks the end of a question; known
/// questions are answered without waiting.
const QUIET_TIMEOUT: Duration = Duration::from_secs(2);
/// Lines that are kept to explain a failure.
const KEPT_LINES: usize = 5;
/// Characters of a secret that no kept line may have in a row.
const MAX_SECRET_CHARS: usize = 3;

/// Something that a client printed. Overwritten afterwards: it may repeat an answer.
pub enum OutputEvent {
    /// A line; of one that began as a question, what follows the answer.
    Line(Zeroizing<String>),
    /// Text without a line end: a question, or a partial line.
    Partial(Zeroizing<String>),
    /// The same, possibly empty, once nothing has followed for [`QUIET_TIMEOUT`].
    Quiet(Zeroizing<String>),
}

/// Standard output and standard error of a client.
pub struct ClientOutput {
    streams: [OutputStream; 2],
    bytes_read: usize,
    /// [`QUIET_TIMEOUT`], except in tests.
    quiet_timeout: Duration,
    /// Whether something was printed since the last [`OutputEvent::Quiet`].
    active: bool,
    /// The last complete line, until [`ClientOutput::keep_line`] or the next one.
    line: Zeroizing<String>,
    kept: VecDeque<String>,
    secret: SecretFilter,
}

struct OutputStream {
    pipe: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// The unterminated line. Allocated at full size: reallocating would leave copies of a secret.
    line: Zeroizing<Vec<u8>>,
    /// How many bytes of it were answered.
    answered: usize,
    /// Whether the unterminated line was reported.
    reported: Reported,
}

#[derive(PartialEq, PartialOrd)]
enum Reported {
    No,
    Partial,
    Quiet,
}

impl OutputStream {
    fn new(pipe: Option<impl AsyncRead + Send + Unpin + 'static>) -> OutputStream {
        let line = Zeroizing::new(Vec::with_capacity(MAX_LINE_BYTES + READ_BYTES));
        OutputStream { pipe: pipe.map(|pipe| Box::new(pipe) as Box<_>), line, answered: 0, reported: Reported::No }
    }

    /// Reads once; returns the number of bytes, 0 at the end. Cancel safe.
    async fn read(&mut self) -> usize {
        let Some(pipe) = &mut self.pipe else { return 0 };
        let read = pipe.take(READ_BYTES as u64).read_buf(&mut *self.line).await.unwrap_or(0);
        if read == 0 {
            self.pipe = None;
        }
        self.reported = Reported::No;
        read
    }

    /// Takes the next line: all of it, and the part that was not answered.
    fn next_line(&mut self) -> Option<(Zeroizing<String>, Zeroizing<String>)> {
        let end = self.line.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let is_cut = self.line.len() >= MAX_LINE_BYTES || (self.pipe.is_none() && !self.line.is_empty());
        let end = end.or(is_cut.then_some(self.line.len()))?;
        let (whole, rest) = (text(&self.line[..end]), text(&self.line[self.answered.min(end)..end]));
        let through = end.saturating_add(1).min(self.line.len());
        let remaining = self.line.len() - through;
        self.line.copy_within(through.., 0);
        // Not `truncate`: the bytes behind the end would stay.
        self.line[remaining..].fill(0);
        self.line.truncate(remaining);
        self.answered = 0;
        Some((whole, rest))
    }

    /// Returns the unterminated text, unless it was reported so already or is empty.
    fn unterminated(&mut self, report: Reported) -> Option<Zeroizing<String>> {
        let text = text(&self.line[self.answered..]);
        let is_new = self.reported < report && !text.is_empty();
        if is_new {
            self.reported = report;
        }
        is_new.then_some(text)
    }
}

/// Returns the text without surrounding white space, in memory that is wiped.
fn text(bytes: &[u8]) -> Zeroizing<String> {
    // Three bytes for each that is not UTF-8: the replacement character. The buffer must not grow.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 3));
    for chunk in bytes.trim_ascii().utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

impl ClientOutput {
    /// Takes the pipes of a client that is given this secret.
    pub fn new(child: &mut Child, secret: Option<&Secret>) -> ClientOutput {
        ClientOutput::from_pipes(child.stdout.take(), child.stderr.take(), secret)
    }

    /// As [`ClientOutput::new`].
    pub fn from_pipes(
        stdout: Option<impl AsyncRead + Send + Unpin + 'static>,
        stderr: Option<impl AsyncRead + Send + Unpin + 'static>,
        secret: Option<&Secret>,
    ) -> ClientOutput {
        ClientOutput {
            streams: [OutputStream::new(stdout), OutputStream::new(stderr)],
            bytes_read: 0,
            quiet_timeout: QUIET_TIMEOUT,
            active: false,
            line: Zeroizing::default(),
            kept: VecDeque::new(),
            secret: SecretFilter(secret.cloned()),
        }
    }

    /// Returns what is printed next; `None` at the end. Cancel safe.
    ///
    /// # Errors
    /// If `is_bounded`, and the client has printed more than [`MAX_OUTPUT_BYTES`].
    pub async fn next(&mut self, is_bounded: bool) -> io::Result<Option<OutputEvent>> {
        loop {
            if let Some((whole, rest)) = self.streams.iter_mut().find_map(OutputStream::next_line) {
                self.line = whole;
                return Ok(Some(OutputEvent::Line(rest)));
            }
            if let Some(text) = self.streams.iter_mut().find_map(|stream| stream.unterminated(Reported::Partial)) {
                return Ok(Some(OutputEvent::Partial(text)));
            }
            let [stdout, stderr] = &mut self.streams;
            if stdout.pipe.is_none() && stderr.pipe.is_none() {
                return Ok(None);
            }
            let read = tokio::select! {
                read = stdout.read(), if stdout.pipe.is_some() => read,
                read = stderr.read(), if stderr.pipe.is_some() => read,
                () = tokio::time::sleep(self.quiet_timeout), if self.active => {
                    self.active = false;
                    let text = self.streams.iter_mut().find_map(|stream| stream.unterminated(Reported::Quiet));
                    return Ok(Some(OutputEvent::Quiet(text.unwrap_or_default())));
                }
            };
            self.bytes_read += read;
            self.active |= read > 0;
            if is_bounded && self.bytes_read > MAX_OUTPUT_BYTES {
                return Err(io::Error::other("the client prints without end"));
            }
        }
    }

    /// Marks the unterminated text as answered.
    pub fn mark_answered(&mut self) {
        for stream in &mut self.streams {
            stream.answered = stream.line.len();
        }
    }

    /// Keeps the last line to explain a failure, and logs it, unless it may repeat a secret.
    pub fn keep_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        // A password may follow the request for it.
        if line.is_empty() || line.to_ascii_lowercase().contains("pass") || self.secret.is_in(&line) {
            return;
        }
        let line = sanitize(&line);
        tracing::debug!(line, "output of the client");
        self.kept.truncate(KEPT_LINES - 1);
        self.kept.push_front(line);
    }

    /// Overwrites the secret: the client has it. From then on no line may be kept.
    pub fn forget_secret(&mut self) {
        self.secret = SecretFilter(None);
    }

    /// Returns the last kept lines.
    pub fn kept_lines(&self) -> String {
        self.kept.iter().rev().cloned().collect::<Vec<_>>().join(" / ")
    }
}

/// Finds the secret of an attempt in text.
struct SecretFilter(Option<Secret>);

impl SecretFilter {
    /// Whether the line has more than [`MAX_SECRET_CHARS`] characters of the secret in a row: as they are or backwards, in
    /// either case, and whatever blanks or marks separate them.
    fn is_in(&self, line: &str) -> bool {
        let Some(secret) = &self.0 else { return false };
        // Every character, and letters and digits alone: a PIN may have marks, and a client may put some in between.
        [char::is_whitespace as fn(char) -> bool, |c| !c.is_alphanumeric()].into_iter().any(|ignored| {
            let (line, secret) = (folded(line, ignored), folded(secret.expose(), ignored));
            let length = secret.len().min(MAX_SECRET_CHARS + 1);
            if length == 0 {
                return false;
            }
            let mut reversed = Zeroizing::new(Vec::<char>::with_capacity(length));
            secret.windows(length).any(|piece| {
                reversed.clear();
                reversed.extend(piece.iter().rev());
                line.windows(length).any(|text| text == piece || text == reversed.as_slice())
            })
        })
    }
}

/// The characters of a text that are not ignored, in small letters.
fn folded(text: &str, is_ignored: fn(char) -> bool) -> Zeroizing<Vec<char>> {
    let mut folded = Zeroizing::new(Vec::with_capacity(text.len()));
    let shown = text.chars().filter(|c| !c.is_control() && !is_ignored(*c));
    folded.extend(shown.map(|c| c.to_ascii_lowercase()));
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;
    use tokio::time::timeout;

    fn output(pipe: impl AsyncRead + Send + Unpin + 'static, secret: &str) -> ClientOutput {
        let secret = Secret::from(secret.to_owned());
        ClientOutput::from_pipes(Some(pipe), None::<tokio::io::Empty>, Some(&secret))
    }

    #[tokio::test]
    async fn unterminated_text_is_reported_as_it_comes_and_once_more_when_nothing_follows() {
        let (mut client, pipe) = tokio::io::duplex(64);
        let mut output = output(pipe, "4321123456");
        output.quiet_timeout = Duration::from_millis(50);
        let rows = [
            ("", vec![]),
            ("VPN> ", vec!["partial VPN>", "quiet VPN>"]),
            ("\r\nUser", vec!["line VPN>", "line", "partial User", "quiet User"]),
            (" \n", vec!["line User", "quiet"]),
        ];
        for (printed, expected) in rows {
            client.write_all(printed.as_bytes()).await.unwrap();
            let mut events = Vec::new();
            // And then no more: a tunnel stays up for hours.
            while let Ok(event) = timeout(output.quiet_timeout * 10, output.next(true)).await {
                let (kind, text) = match event.unwrap().unwrap() {
                    OutputEvent::Line(text) => ("line", text),
                    OutputEvent::Partial(text) => ("partial", text),
                    OutputEvent::Quiet(text) => ("quiet", text),
                };
                events.push(format!("{kind} {}", *text).trim().to_owned());
            }
            assert_eq!(events, expected);
        }
    }

    #[tokio::test]
    async fn kept_lines_have_no_characters_that_act() {
        let mut output = output("\u{1b}[31mred\u{7}\u{202e}\u{9b}\n".as_bytes(), "4321123456");
        assert!(matches!(output.next(true).await, Ok(Some(OutputEvent::Line(_)))));
        output.keep_line();
        assert_eq!(output.kept_lines(), "[31mred");
    }

    /// The ways in which a client might repeat a piece of a secret.
    fn echo(piece: &str, way: u8, before: &str, after: &str) -> String {
        let separated = |mark: &str| piece.chars().map(String::from).collect::<Vec<_>>().join(mark);
        let echoed = match way % 6 {
            0 => piece.to_owned(),
            1 => piece.chars().rev().collect(),
            2 => separated(" "),
            3 => separated("\0"),
            4 => separated("-"),
            _ => piece.to_uppercase(),
        };
        format!("{before}{echoed}{after}")
    }

    proptest! {
        #[test]
        fn no_kept_line_has_a_piece_of_the_passcode(
            pin in "[!-~]{4,16}", digits in "[0-9]{6}", cut in any::<(usize, usize)>(), way in any::<u8>(),
            before in "[ -~]{0,20}", after in "[ -~]{0,20}",
        ) {
            let passcode = format!("{pin}{digits}");
            let from = cut.0 % (passcode.len() - MAX_SECRET_CHARS);
            let length = MAX_SECRET_CHARS + 1 + cut.1 % (passcode.len() - from - MAX_SECRET_CHARS);
            // Punctuation of the PIN cannot be distinguished from a separator.
            let piece = &passcode[from..from + length];
            prop_assume!(way % 6 != 4 || piece.chars().all(char::is_alphanumeric));
            let line = echo(piece, way, &before, &after);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let kept = runtime.block_on(async {
                let mut output = output(std::io::Cursor::new(line.clone().into_bytes()), &passcode);
                while let Ok(Some(_)) = output.next(true).await {
                    output.keep_line();
                }
                output.kept_lines()
            });
            prop_assert_eq!(kept, "", "{:?} of {:?}", line, passcode);
        }

        #[test]
        fn lines_without_the_passcode_are_kept(line in "[a-o]{1,40}") {
            let filter = SecretFilter(Some(Secret::from("4321123456".to_owned())));
            prop_assert!(!filter.is_in(&line));
        }
    }
}
