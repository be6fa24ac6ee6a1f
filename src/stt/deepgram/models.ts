/** Languages of Deepgram's models: its Models & Languages Overview of November 2026, without spellings of the same. */
import { isNova3 } from "./address.ts";

export const DEFAULT_MODEL = "nova-3";

const NOVA_3: readonly string[] = (
  "af ar as be bg bn bs ca cs da de de-CH el en en-AU en-GB en-IN en-NZ es es-419 et fa fi fr fr-CA gu he hi hr hu " +
  "hy id it ja ka kk kn ko lt lv mk mn mr ms ne nl nl-BE no pa pl ps pt pt-BR pt-PT ro ru sk sl sr sv ta te th tl tr uk " +
  "ur vi zh zh-HK zh-TW"
).split(" ");

const NOVA_2: readonly string[] = (
  "bg ca cs da de de-CH el en en-AU en-GB en-IN en-NZ es es-419 et fi fr fr-CA hi hu id it ja ko lt lv ms nl nl-BE " +
  "no pl pt pt-BR pt-PT ro ru sk sv th tr uk vi zh zh-HK zh-TW"
).split(" ");

/** English alone, for models with a subject (`nova-2-meeting`) and those that are not known here. */
const OTHERS: readonly string[] = ["en"];

export function languagesOfModel(model: string): readonly string[] {
  if (model === "nova-3" || model === "nova-3-general") return NOVA_3;
  if (model === "nova-2" || model === "nova-2-general") return NOVA_2;
  return isNova3(model) && !model.endsWith("-medical") ? NOVA_3 : OTHERS;
}
