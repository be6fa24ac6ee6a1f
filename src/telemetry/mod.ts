/** The log and the metrics behind the ports of `domain`. */
export * from "./log.ts";
export * from "./meter.ts";
export { standardError } from "./line_writer.ts";
