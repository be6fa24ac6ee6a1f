/**
 * One line per event: JSON, or text on a terminal. Logging never waits and never throws: line_writer.ts writes in the
 * background. `redact.ts` hides private values that a caller passes by mistake.
 */
import { type Log, type LogFields, TiroError } from "../domain/mod.ts";
import { LineRate } from "./line_rate.ts";
import { standardError, WRITE_BYTES_MAX } from "./line_writer.ts";
import { showErrorMessage, showField, showMessage } from "./redact.ts";

const SEVERITY = { debug: 0, info: 1, warn: 2, error: 3 } as const;
export type Level = keyof typeof SEVERITY;

export interface LogOptions {
  level: Level;
  /** Default: text on a terminal, JSON lines elsewhere. */
  format?: "text" | "json";
  /** `line` ends in a newline. Default: standard error. */
  write?: (line: string, level: Level) => void;
  /** Wall clock; default: the machine's. */
  now?: () => Date;
  /** Default: on a terminal, unless NO_COLOR is set. */
  colours?: boolean;
}

/** One error of a chain, as logged. */
interface ErrorShown {
  name: string;
  code?: string;
  message: string;
}

interface Event {
  time: string;
  level: Level;
  message: string;
  fields: [string, string | number | boolean][];
  /** The error and its causes, outermost first. */
  errors: ErrorShown[];
  stack?: string;
}

const LOST = "log lines lost: they were not read in time";
const SUPPRESSED = "log lines suppressed: more of one message than in a minute are written";
/** A UTF-16 code unit takes at most three bytes of UTF-8: a line of so many fits into one write. */
const LINE_CHARS_MAX = Math.floor(WRITE_BYTES_MAX / 3);
/** Length of a logged chain of causes, which may be circular. */
const CAUSES_MAX = 5;
const STACK_CHARS_MAX = 4_000;

export function createLog(options: LogOptions): Log {
  const onTerminal = options.write === undefined && Deno.stderr.isTerminal();
  const asText = (options.format ?? (onTerminal ? "text" : "json")) === "text";
  const colours = options.colours ?? (onTerminal && !Deno.noColor);
  const write = options.write ?? ((line, level) => standardError.write(line, level));
  const now = options.now ?? (() => new Date());
  const show = asText ? (event: Event) => renderText(event, colours) : renderJson;
  const render = (event: Event) => shortened(event, show);
  const time = () => now().toISOString();
  if (!options.write) {
    standardError.notice = (lines) =>
      show({ time: time(), level: "warn", message: LOST, fields: [["lines", lines]], errors: [] });
  }
  const rate = new LineRate();
  const isOn = (level: Level) => SEVERITY[level] >= SEVERITY[options.level];

  const emit = (level: Level, message: string, fields: LogFields, error?: { thrown: unknown }) => {
    if (!isOn(level)) return;
    try {
      const nowMs = now().getTime();
      for (const { level: of, message: suppressed, lines } of rate.due(nowMs)) {
        const fields: Event["fields"] = [["of", suppressed], ["lines", lines]];
        write(render({ time: time(), level: of, message: SUPPRESSED, fields, errors: [] }), of);
      }
      if (level !== "debug" && !rate.admit(level, message, nowMs)) return standardError.suppress(level);
      write(
        render({
          time: time(),
          level,
          message: showMessage(message),
          fields: shownFields(fields),
          errors: error ? chain(error.thrown) : [],
          stack: error && isOn("debug") && error.thrown instanceof Error ? stackOf(error.thrown) : undefined,
        }),
        level,
      );
    } catch {
      // A log that cannot be written must not end a call.
    }
  };
  const withFields = (own: LogFields): Log => ({
    debug: (message, fields) => emit("debug", message, { ...own, ...fields }),
    info: (message, fields) => emit("info", message, { ...own, ...fields }),
    warn: (message, fields) => emit("warn", message, { ...own, ...fields }),
    error: (message, error, fields) => emit("error", message, { ...own, ...fields }, { thrown: error }),
    child: (fields) => withFields({ ...own, ...fields }),
  });
  return withFields({});
}

/** The line, shortened by its least important parts where it does not fit into one write. */
function shortened(event: Event, show: (event: Event) => string): string {
  const line = show(event);
  if (fits(line)) return line;
  const withoutStack = show({ ...event, stack: undefined });
  if (fits(withoutStack)) return withoutStack;
  const { errors, ...rest } = event;
  const first = show({ ...rest, errors: errors.slice(0, 1), stack: undefined });
  return fits(first) ? first : show({ ...rest, fields: [], errors: [], stack: undefined });
}

function fits(line: string): boolean {
  return line.length <= LINE_CHARS_MAX || ENCODER.encode(line).length <= WRITE_BYTES_MAX;
}

const ENCODER = new TextEncoder();

function shownFields(fields: LogFields): Event["fields"] {
  return Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, showField(name, value)]]
  );
}

/** The error and its causes. Anything can be thrown, also objects that throw when they are read. */
function chain(thrown: unknown): ErrorShown[] {
  const errors: ErrorShown[] = [];
  try {
    for (let at = thrown; at !== undefined && at !== null && errors.length < CAUSES_MAX;) {
      if (!(at instanceof Error)) {
        // It may be anything, speech included: only its type is logged.
        errors.push({ name: typeof at, message: "not an error" });
        break;
      }
      errors.push({ name: at.name, code: codeOf(at), message: showErrorMessage(at) });
      at = at.cause ?? (at instanceof AggregateError ? at.errors[0] : undefined);
    }
  } catch {
    errors.push({ name: "unknown", message: "an error that cannot be read" });
  }
  return errors;
}

/** Of Tiro's errors and the platform's (`ECONNREFUSED`). */
function codeOf(error: Error): string | undefined {
  if (error instanceof TiroError) return error.code;
  return "code" in error && typeof error.code === "string" ? error.code.slice(0, 64) : undefined;
}

/** The frames only: the first line repeats the message, unredacted. */
function stackOf(error: Error): string | undefined {
  const frames = error.stack?.split("\n").filter((line) => /^\s+at /.test(line)).join("\n");
  return frames?.slice(0, STACK_CHARS_MAX);
}

const RESERVED = new Set(["time", "level", "message", "error", "causes", "stack"]);

function renderJson({ time, level, message, fields, errors: [error, ...causes], stack }: Event): string {
  const named = fields.map(([name, value]) => [RESERVED.has(name) ? `field_${name}` : name, value]);
  return JSON.stringify({
    ...{ time, level, message },
    ...Object.fromEntries(named),
    ...(error && { error }),
    ...(causes.length > 0 && { causes }),
    stack,
  }) + "\n";
}

const COLOUR = { debug: 90, info: 36, warn: 33, error: 31 } as const;

function renderText({ time, level, message, fields, errors, stack }: Event, colours: boolean): string {
  const paint = (code: number, text: string) => colours ? `\x1b[${code}m${text}\x1b[0m` : text;
  const shown = fields.map(([name, value]) => paint(90, `${plain(name)}=${quoted(value)}`));
  const causes = errors.map(({ name, code, message }) =>
    `${plain(name)}${code ? ` (${plain(code)})` : ""}: ${plain(message)}`
  );
  const words = [
    paint(90, time.slice(11, 23)),
    paint(COLOUR[level], level.toUpperCase().padEnd(5)),
    plain(message),
    ...shown,
    ...(causes.length > 0 ? [`- ${causes.join(" <- ")}`] : []),
  ];
  return words.join(" ") + "\n" + (stack ? `${stack}\n` : "");
}

/** Control characters could forge lines or control the terminal. */
function plain(text: string): string {
  return text.replace(/\p{Cc}/gu, " ");
}

function quoted(value: string | number | boolean): string {
  return typeof value === "string" && !/^[\w.:\/-]+$/.test(value)
    ? JSON.stringify(plain(value))
    : String(value);
}
