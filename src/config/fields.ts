/** What a variable may hold. Messages say what is wrong, never what was there: it may be a misplaced secret. */
import { z } from "zod";
import { findProvider } from "../domain/mod.ts";
import { Secret } from "./secret.ts";

type Context = z.RefinementCtx;

function fault(context: Context, message: string): never {
  context.addIssue({ code: "custom", message });
  return z.NEVER;
}

/** The URL, or undefined once the fault is noted. */
function parseUrl(value: string, protocols: readonly string[], context: Context): URL | undefined {
  const note = (message: string) => void context.addIssue({ code: "custom", message });
  const wanted = protocols.map((protocol) => `${protocol}://`).join(" or ");
  if (!URL.canParse(value)) return note(`is not a URL; it must start with ${wanted}`);
  const url = new URL(value);
  if (!protocols.includes(url.protocol.slice(0, -1))) return note(`must start with ${wanted}`);
  if (url.username || url.password) return note("must not hold a user name or password");
  if (url.href.includes("#")) return note("must not hold a # fragment");
  return url;
}

const withoutEndSlash = (url: string) => url.replace(/\/+$/, "");

/** The HPB's WebSocket address, from any of the four spellings operators use. */
export const hpbUrl = z.string().transform((value, context) => {
  const url = parseUrl(value, ["https", "http", "wss", "ws"], context);
  if (!url) return z.NEVER;
  if (url.href.includes("?")) return fault(context, "must not hold a ? query");
  url.protocol = url.protocol.replace("http", "ws");
  const address = withoutEndSlash(url.href);
  return address.endsWith("/spreed") ? address : `${address}/spreed`;
});

/** A base address to append paths to: no slash at its end. */
export const baseUrl = z.string().transform((value, context) => {
  const url = parseUrl(value, ["https", "http"], context);
  if (!url) return z.NEVER;
  if (url.href.includes("?")) return fault(context, "must not hold a ? query");
  return withoutEndSlash(url.href);
});

/** Nextcloud's address, also as AppAPI and browsers write it: with its front controller at the end. */
export const nextcloudUrl = baseUrl.transform((url) => withoutEndSlash(url.replace(/\/index\.php$/, "")));

export const webSocketUrl = z.string().transform((value, context) =>
  parseUrl(value, ["wss", "ws"], context)?.href ?? z.NEVER
);

/**
 * The address of a proxy, as curl takes it: `http://` may be missing, and a user and password may be in it, so it is
 * kept as a secret. Undefined for a kind of proxy the service cannot use.
 */
export const proxyUrl = z.string().transform((value, context) => {
  const address = value.includes("://") ? value : `http://${value}`;
  if (/^socks\w*:/i.test(address)) return undefined;
  if (!URL.canParse(address)) return fault(context, "is not a URL; it must start with http:// or https://");
  const url = new URL(address);
  if (!["http:", "https:"].includes(url.protocol)) {
    return fault(context, "must start with http:// or https://");
  }
  return new Secret(withoutEndSlash(url.href));
});

/** White space at the ends is a copying accident that no server forgives. */
export const secretText = z.string()
  .refine((value) => value === value.trim(), "has white space at its start or end")
  .refine((value) => !/\p{Cc}/u.test(value), "holds control characters");

export const headerText = z.string()
  .refine((value) => /^[\x21-\x7e]+$/.test(value), "must be printable ASCII without spaces");

export const secret = secretText.transform((value) => new Secret(value));

/**
 * Random hexadecimal digits of this many are 64 bits: a million guesses a second, which is more than the API answers,
 * find one in 300,000 years on average. AppAPI makes secrets of 128 characters, `openssl rand -hex 16` of 32.
 */
const GUESSED_CHARS = 16;
/** Of 16 random hexadecimal digits there are fewer different ones once in some thousands. */
const GUESSED_DIFFERENT = 6;

/** Whether who tries out what people type would find it. */
export function isEasilyGuessed(secret: string): boolean {
  return secret.length < GUESSED_CHARS || new Set(secret).size < GUESSED_DIFFERENT;
}

const EASILY_GUESSED =
  `is easily guessed: it must have ${GUESSED_CHARS} characters or more, ${GUESSED_DIFFERENT} of them different`;

/** What callers show to be let in. */
export const apiToken = headerText
  .refine((value) => !isEasilyGuessed(value), EASILY_GUESSED)
  .transform((value) => new Secret(value));

/** What AppAPI shows to be let in, and we to Nextcloud. */
export const appSecret = secretText
  .refine(
    (value) => !isEasilyGuessed(value),
    `${EASILY_GUESSED}; register the app anew with such a one, or with none: then AppAPI makes it`,
  )
  .transform((value) => new Secret(value));

/** Becomes part of a host name, where case makes no difference. */
export const dnsLabel = z.string().toLowerCase()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "must be letters, digits and hyphens");

export const host = z.string().regex(/^[A-Za-z0-9.:_-]{1,253}$/, "must be an IP address or a host name");

/** Whether only this machine can reach an address by this name. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1)$/i.test(host);
}

/** An id like `de`, `pt_BR` or `zh-Hans`. */
export const language = z.string().regex(
  /^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$/,
  "must be a language like en or pt-BR",
);

/** As AppAPI writes app ids; travels in an HTTP header. */
export const appId = z.string().regex(/^[a-z0-9_-]{1,64}$/, "must be lower-case letters, digits, _ and -");

/** Travels in an HTTP header. */
export const version = z.string().regex(/^[0-9A-Za-z.+-]{1,64}$/, "must be a version");

/** Unix sockets have no longer names (sun_path of Linux, with its end mark). */
export const socketPath = z.string().regex(/^\//, "must be an absolute path")
  .refine((path) => new TextEncoder().encode(path).length < 108, "must be shorter than 108 bytes");

/** Deno's permissions leave the path out, whoever owns it. The example that is printed beside is one they include. */
const NOT_CAPABLE = "where Tiro has no permission; use one of the paths in docs/THREATS.md";

/** A folder that can be written to; `probe` throws where it cannot. */
export function writableFolder(probe: (path: string) => void) {
  return z.string().transform((path, context) => {
    try {
      probe(path);
      return path;
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) return fault(context, `names a folder ${NOT_CAPABLE}`);
      const why = error instanceof Error ? error.name : "unknown";
      return fault(context, `names a folder that cannot be written to (${why})`);
    }
  });
}

export function wholeNumber(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`;
  return z.string().regex(/^\d{1,9}$/, message).transform(Number)
    .refine((value) => value >= least && value <= most, message);
}

/** Below it a port is taken by who may bind privileged ones only. */
const FIRST_OPEN_PORT = 1_024;

/** First and last port, where at least `least` are needed, for what `use` says. */
export function portRange(least: number, use: string) {
  return z.string().transform((value, context): [number, number] => {
    const [, first, last] = (/^(\d{1,5})\s*-\s*(\d{1,5})$/.exec(value) ?? []).map(Number);
    if (!(first >= 1 && first <= last && last <= 65_535)) {
      return fault(context, "must be two ports from 1024 to 65535 with a hyphen between, the lower first");
    }
    if (first < FIRST_OPEN_PORT) {
      return fault(context, "has privileged ports: the first must be 1024 or above");
    }
    const ports = last - first + 1;
    if (ports < least) return fault(context, `has ${ports} ports and needs ${least}: ${use}`);
    return [first, last];
  });
}

const ANY_ADDRESS = ["0.0.0.0", "::"];

/** IP addresses with commas between, each one that `own` has or that of a whole family, in the one way they are written. */
export function localAddresses(most: number, own: () => readonly string[]) {
  return z.string().transform((value, context): string[] => {
    const found: string[] = [];
    const machine = own().map(writtenAddress);
    for (const entry of value.split(",")) {
      const address = writtenAddress(entry.trim());
      if (address === undefined) {
        return fault(context, "must be IP addresses of this machine with commas between");
      }
      if (found.includes(address)) return fault(context, "names an address twice");
      const isOwn = ANY_ADDRESS.includes(address) || /^127\./.test(address) || machine.includes(address);
      if (!isOwn) return fault(context, "names an address that this machine does not have");
      found.push(address);
    }
    const isIpv6 = (address: string) => address.includes(":");
    for (const any of ANY_ADDRESS) {
      if (found.includes(any) && found.filter((address) => isIpv6(address) === isIpv6(any)).length > 1) {
        return fault(context, "names all addresses of a family and one of them");
      }
    }
    return found.length <= most ? found : fault(context, `names more than ${most} addresses`);
  });
}

/** Undefined for what is no address, or one of a link, which needs the link's name too. */
function writtenAddress(address: string): string | undefined {
  if (/^(\d{1,3}\.){3}\d{1,3}$/.test(address)) {
    return address.split(".").every((byte) => Number(byte) <= 255) ? address : undefined;
  }
  if (!/^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(address) || /^fe[89ab]/i.test(address)) return undefined;
  return URL.parse(`http://[${address}]`)?.hostname.slice(1, -1);
}

/** One of the names, which are lower-case, in any case; or what `aliases` has for one of them. */
export function oneOf<const Names extends readonly [string, ...string[]]>(
  names: Names,
  aliases: Readonly<Record<string, Names[number]>> = {},
) {
  return z.string().transform((value, context): Names[number] => {
    const word = value.toLowerCase();
    const meant = Object.hasOwn(aliases, word) ? aliases[word] : word;
    return names.find((name) => name === meant) ?? fault(context, `must be one of ${names.join(", ")}`);
  });
}

/** The name of a provider, or one of its aliases, in any case; or of `others`. */
export function providerOf(
  providers: readonly { name: string; aliases?: readonly string[] }[],
  ...others: readonly string[]
) {
  return z.string().transform((value, context): string => {
    const other = others.find((name) => name === value.toLowerCase());
    const names = [...others, ...providers.map(({ name }) => name)];
    return other ?? findProvider(providers, value)?.name ??
      fault(context, `must be one of ${names.join(", ")}`);
  });
}

const ON: ReadonlySet<string> = new Set(["on", "true", "yes", "1", "t", "y"]);
const OFF: ReadonlySet<string> = new Set(["off", "false", "no", "0", "f", "n"]);

/** A switch, in any of the spellings compose files, shells and Python know. Faults name these two. */
export function choice(on: string, off: string) {
  return z.string().transform((value, context) => isOn(value) ?? fault(context, `must be ${on} or ${off}`));
}

/** Undefined where the value is no switch. */
export function isOn(value: string): boolean | undefined {
  const word = value.toLowerCase();
  return ON.has(word) || (OFF.has(word) ? false : undefined);
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** The certificates in a PEM file, one string each. Reads the file. */
export function certificates(readFile: (path: string) => string) {
  return z.string().transform((path, context) => {
    let pem: string;
    try {
      pem = readFile(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) return fault(context, `names a file ${NOT_CAPABLE}`);
      return fault(
        context,
        `names a file that cannot be read (${error instanceof Error ? error.name : "unknown"})`,
      );
    }
    const found: string[] = pem.match(CERTIFICATE) ?? [];
    return found.length > 0 ? found : fault(context, "names a file without a PEM certificate in it");
  });
}
