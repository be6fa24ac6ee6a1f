/** Captions on a terminal: a partial overwrites the one before, finals stay. */
export interface Screen {
  note(text: string): void;
  partial(speaker: string, text: string): void;
  final(speaker: string, text: string, remark: string): void;
}

const encoder = new TextEncoder();

/** Colours and overwriting on a terminal only; elsewhere each caption is a line. */
export function openScreen(): Screen {
  const onTerminal = Deno.stdout.isTerminal();
  const colours = onTerminal && !Deno.noColor;
  const width = onTerminal ? Deno.consoleSize().columns : 0;
  const dim = (text: string) => colours ? `\x1b[2m${text}\x1b[0m` : text;
  const bold = (text: string) => colours ? `\x1b[1m${text}\x1b[0m` : text;
  const write = (text: string) => void Deno.stdout.writeSync(encoder.encode(text));
  const over = onTerminal ? "\r\x1b[2K" : "";
  return {
    note: (text) => write(`${over}${dim(text)}\n`),
    partial(speaker, text) {
      if (!onTerminal) return write(`${speaker}  ${text} ...\n`);
      // One screen line only: a longer one could not be overwritten. The end of a caption is what is new.
      const charsMax = Math.max(10, width - speaker.length - 4);
      const shown = text.length > charsMax ? `…${text.slice(1 - charsMax)}` : text;
      write(`${over}${bold(speaker)}  ${dim(shown)}`);
    },
    final: (speaker, text, remark) => write(`${over}${bold(speaker)}  ${text}  ${dim(remark)}\n`),
  };
}
