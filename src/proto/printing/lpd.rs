//! The line printer daemon protocol (RFC 1179): queues, and who prints what from where. Pages are passed
//! over.

use crate::base::secret::Reveal;
use crate::base::{Timestamp, limits};
use crate::proto::api::{About, AppParser, Cx, Direction, Fact, Probe, Progress, Spec, Transport};
use crate::proto::text;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "lpd",
    doc: "One LPD command; of a job that is received one row, when its control file is there or the connection ends",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("command", Type::Text, "`print`, `receive`, `state`, `state-long` or `remove`"),
        Column::repeating("queue", Type::Text, "Name of the queue"),
        Column::repeating("host", Type::Text, "Host that the job comes from (H)"),
        Column::repeating("username", Type::Text, "User who prints (P), or who removes jobs"),
        Column::new("job_name", Type::Text, "Name of the job (J), or jobs that are asked for"),
        Column::new("file_name", Type::Text, "Name of the source file (N)"),
        Column::new("data_bytes", Type::Int64, "Length of the pages that were announced"),
        Column::repeating("accepted", Type::Bool, "Whether the server's last answer was yes; null where none was seen"),
    ],
};

/// A job or a question.
#[derive(Debug, Clone, Default)]
pub struct Job {
    at: (Timestamp, u64),
    from_orig: bool,
    /// Command.
    pub command: &'static str,
    queue: Box<[u8]>,
    host: Box<[u8]>,
    username: Box<[u8]>,
    job_name: Box<[u8]>,
    file_name: Box<[u8]>,
    data_bytes: u64,
    accepted: Option<bool>,
    /// A subcommand was understood: this is LPD.
    proven: bool,
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// The job.
    pub job: &'e Job,
    /// Whether it is all that will be known of it; else the flow has just shown that it is LPD.
    row: bool,
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some(self.job.at)
    }

    fn has_row(&self) -> bool {
        self.row
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let j = self.job;
        row.text(j.command);
        let some = |value: &'_ [u8]| !value.is_empty();
        row.opt_bytes(Some(&*j.queue).filter(|v| some(v))).opt_bytes(Some(&*j.host).filter(|v| some(v)));
        row.opt_user(Some(&*j.username).filter(|v| some(v)));
        row.opt_bytes(Some(&*j.job_name).filter(|v| some(v))).opt_bytes(Some(&*j.file_name).filter(|v| some(v)));
        match j.data_bytes {
            0 => row.null(),
            n => row.count(n),
        };
        row.opt_bool(j.accepted);
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        if !self.row {
            return;
        }
        let client = if self.job.from_orig { Direction::Orig } else { Direction::Resp };
        tell(Fact { about: About::Side(client), attribute: "hostname", value: &self.job.host });
        tell(Fact { about: About::Side(client), attribute: "user", value: &self.job.username });
    }
}

/// Follows one connection.
#[derive(Debug, Default)]
pub struct Lpd {
    client: Option<Direction>,
    job: Option<Job>,
    /// Bytes of a control file that come next.
    control: Option<usize>,
    /// What may be data of unknown length: only the end of the connection ends it.
    endless: bool,
    ended: bool,
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

fn kept(text: &[u8]) -> Box<[u8]> {
    text.get(..256).unwrap_or(text).into()
}

/// `count SP name` of a subcommand (section 6).
fn file(operands: &[u8], prefix: &[u8]) -> Option<u64> {
    let (count, name) = text::word(operands);
    let is_name = name.len() <= 256 && (text::starts_with(name, prefix) || name.is_empty());
    is_name.then(|| text::decimal(count)).flatten()
}

impl Job {
    /// Reads a control file (section 7).
    fn control(&mut self, bytes: &[u8]) {
        for line in bytes.split(|c| *c == b'\n').take(256) {
            let Some((kind, value)) = line.split_first() else { continue };
            let field = match kind {
                b'H' => &mut self.host,
                b'P' => &mut self.username,
                b'J' => &mut self.job_name,
                b'N' => &mut self.file_name,
                _ => continue,
            };
            *field = kept(&text::without_settings(value.trim_ascii()));
        }
    }
}

impl Lpd {
    fn tell(&mut self, emit: Emit<'_>) {
        if let Some(job) = self.job.take().filter(|j| j.proven) {
            emit(Event { job: &job, row: true });
        }
    }

    fn command(&mut self, cx: Cx<'_>, dir: Direction, line: &[u8], emit: Emit<'_>) -> Option<Progress> {
        let (code, operands) = line.split_first()?;
        if let Some(job) = self.job.as_mut().filter(|j| j.command == "receive") {
            let proven = job.proven;
            let progress = match code {
                1 => Some(Progress::Done),
                2 => {
                    let count = usize::try_from(file(operands, b"cf")?).ok()?;
                    job.proven = true;
                    if count > limits::LPD_CONTROL_BYTES_MAX {
                        cx.limit_hit();
                        Some(Progress::Skip(count as u64 + 1))
                    } else {
                        self.control = Some(count);
                        Some(Progress::Done)
                    }
                }
                3 => {
                    let count = file(operands, b"df")?;
                    job.proven = true;
                    job.data_bytes = count;
                    self.endless = count == 0;
                    // A zero byte follows the file (section 6.3).
                    Some(if count == 0 { Progress::Done } else { Progress::Skip(count.saturating_add(1)) })
                }
                _ => None,
            };
            if job.proven && !proven {
                emit(Event { job, row: false });
            }
            return progress;
        }
        let (queue, more) = text::word(operands);
        self.tell(emit);
        let command = match code {
            1 => "print",
            2 => "receive",
            3 => "state",
            4 => "state-long",
            5 => "remove",
            _ => return None,
        };
        let mut job = Job { at: (cx.ts, cx.packet), from_orig: dir == Direction::Orig, command, ..Job::default() };
        job.queue = kept(queue);
        if command == "remove" {
            let (user, jobs) = text::word(more);
            job.username = kept(user);
            job.job_name = kept(jobs);
        } else {
            job.job_name = kept(more);
        }
        // A question is a single line: its port is the second sign.
        job.proven = command != "receive" && [cx.flow.orig_port, cx.flow.resp_port].contains(&515);
        self.job = Some(job);
        Some(Progress::Done)
    }
}

impl AppParser for Lpd {
    const SPEC: Spec = Spec {
        name: "lpd",
        title: "LPD",
        transports: &[Transport::Tcp],
        ports: &[515],
        reference: "RFC 1179",
        table: Some(&TABLE),
        tentative: true,
        yields: "queues, users, hosts, job names",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        let Some((code, rest)) = payload.split_first() else { return Probe::NeedMore };
        if !(1..=5).contains(code) {
            return Probe::No;
        }
        let window = rest.get(..128).unwrap_or(rest);
        let end = memchr::memchr(b'\n', window);
        let line = window.get(..end.unwrap_or(window.len())).unwrap_or_default();
        let is_line = line.iter().all(|c| (0x20..0x7f).contains(c)) && line.first().is_none_or(u8::is_ascii_graphic);
        match end {
            _ if !is_line => Probe::No,
            Some(0) => Probe::No,
            Some(_) => Probe::Yes,
            None if window.len() == 128 => Probe::No,
            None => Probe::NeedMore,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        let client = *self.client.get_or_insert(dir);
        if dir != client {
            // The answer is a byte: zero is yes. That to a question is text.
            if let Some(job) = self.job.as_mut().filter(|j| matches!(j.command, "receive" | "print")) {
                job.accepted = bytes.last().map(|c| *c == 0);
            }
            return Progress::Done;
        }
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() || self.endless {
                return Progress::Done;
            }
            if let Some(count) = self.control {
                let Some(file) = rest.get(..count + 1) else {
                    return Progress::Partial { consumed: used, needed: count + 1 };
                };
                self.control = None;
                if let Some(job) = &mut self.job {
                    job.control(file.get(..count).unwrap_or_default());
                }
                used += count + 1;
                continue;
            }
            let window = rest.get(..limits::LINE_BYTES_MAX).unwrap_or(rest);
            let Some(end) = memchr::memchr(b'\n', window) else {
                if window.len() == limits::LINE_BYTES_MAX {
                    return Progress::Violation("a line without an end");
                }
                return Progress::Partial { consumed: used, needed: rest.len() + 1 };
            };
            let line = window.get(..end).unwrap_or_default();
            used += end + 1;
            match self.command(cx, dir, line, emit) {
                Some(Progress::Skip(skip)) => {
                    let there = (bytes.len() - used) as u64;
                    if skip >= there {
                        return Progress::Skip(skip - there);
                    }
                    used += usize::try_from(skip).unwrap_or_default();
                }
                Some(_) => {}
                None => return Progress::Violation("not an LPD command"),
            }
        }
    }

    fn on_end(&mut self, _cx: Cx<'_>, _dir: Direction, _rest: &[u8], emit: Emit<'_>) {
        if std::mem::replace(&mut self.ended, true) {
            self.tell(emit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    #[test]
    fn a_job_in_either_order_of_its_files() {
        let control = "HWS-7\nPjoe\nJInvoice\nldfA001WS-7\nNinvoice.pdf\n";
        let seen = Script::new()
            .orig("\x02lp\n")
            .resp("\0")
            .orig(format!("\x02{} cfA001WS-7\n", control.len()))
            .resp("\0")
            .orig(format!("{control}\0"))
            .resp("\0")
            .orig("\x033 dfA001WS-7\n")
            .resp("\0")
            .orig("\x02\n\x03\0")
            .resp("\x01")
            .any_chunking::<Lpd>();
        for (column, want) in [
            ("queue", "lp"),
            ("host", "WS-7"),
            ("username", "joe"),
            ("job_name", "Invoice"),
            ("file_name", "invoice.pdf"),
            ("data_bytes", "3"),
            ("accepted", "false"),
        ] {
            assert_eq!(seen.cell(column), want, "{column}");
        }
        let data_first = format!("\x02lp\n\x033 dfA001x\nabc\0\x02{} cfA001x\n{control}\0", control.len());
        assert_eq!(Script::new().orig(data_first).any_chunking::<Lpd>().cell("username"), "joe");
    }

    #[test]
    fn data_without_a_length_and_a_line_that_looks_like_a_command() {
        let seen = Script::new().orig("\x02lp\n\x030 dfA1x\n\x02data\n\x03more\n").any_chunking::<Lpd>();
        assert_eq!(seen.cell("queue"), "lp");
        let seen = Script::new().orig("\x02lp\n\x05hello\n").any_chunking::<Lpd>();
        assert_eq!((seen.rows.len(), seen.stopped.is_some()), (0, true));
        let seen = Script::new().orig("\x04lp\n").resp("ready\n").any_chunking::<Lpd>();
        assert_eq!(seen.rows.len(), 0, "a question on another port proves nothing");
    }

    #[test]
    fn hostile_lengths_and_probes() {
        for count in ["0", "16384", "16385", "999999999999999999", "x", ""] {
            Script::new().orig(format!("\x02lp\n\x02{count} cfA\nHx\n\0")).any_chunking::<Lpd>();
        }
        for (bytes, want) in [
            ("\x02lp\n", Probe::Yes),
            ("\x04lp \n", Probe::Yes),
            ("\x02", Probe::NeedMore),
            ("\x02\n", Probe::No),
            ("\x03\0\0\x0b", Probe::No),
            ("\x06lp\n", Probe::No),
            ("lp\n", Probe::No),
        ] {
            assert_eq!(probe_all::<Lpd>(Direction::Orig, bytes.as_bytes()), want, "{bytes:?}");
        }
    }
}
