/** Words to the operator and numbers for Prometheus, behind the ports of `domain`. */
export * from "./log.ts";
export * from "./meter.ts";
export { standardError } from "./line_writer.ts";
