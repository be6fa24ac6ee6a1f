/**
 * The OpenAPI document as data for the page and docs/API.md: routes in groups, a row for each field, an example each.
 * Supports only the parts of OpenAPI that the routes use.
 */
import type { ApiDocument } from "../src/http/mod.ts";

export interface Reference {
  title: string;
  description: string;
  /** Any one of them is enough. */
  credentials: { name: string; description: string }[];
  groups: { name: string; description: string; operations: Operation[] }[];
}

export interface Operation {
  /** Upper case. */
  method: string;
  path: string;
  summary: string;
  /** Entries of a list. */
  details: string[];
  /** Needs no credentials. */
  isOpen: boolean;
  fields: Field[];
  /** A body that would be accepted, as JSON. */
  example?: string;
  replies: { status: string; description: string; contentType: string; example?: string }[];
}

export interface Field {
  name: string;
  place: "path" | "query" | "body";
  type: string;
  isRequired: boolean;
  description: string;
}

type Schemas = NonNullable<NonNullable<ApiDocument["components"]>["schemas"]>;
type Schema = Schemas[string];
type Resolved = Exclude<Schema, { $ref: string }>;

export function apiReference(document: ApiDocument): Reference {
  const schemas = document.components?.schemas ?? {};
  const { title, description = "" } = document.info;
  return {
    title,
    description,
    credentials: credentialsOf(document),
    groups: (document.tags ?? []).map((tag) => ({
      name: tag.name,
      description: tag.description ?? "",
      operations: Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
        METHODS.flatMap((method) => {
          const operation = item[method];
          return operation?.tags?.includes(tag.name) ? [describe(method, path, operation, schemas)] : [];
        })
      ),
    })),
  };
}

const METHODS = ["get", "post", "put", "delete"] as const;
type OperationObject = NonNullable<NonNullable<ApiDocument["paths"]>[string]["get"]>;

function describe(method: string, path: string, operation: OperationObject, schemas: Schemas): Operation {
  const { summary = "", description = "", parameters = [], requestBody, responses = {}, security } =
    operation;
  const bodySchema = requestBody && "content" in requestBody
    ? resolve(requestBody.content["application/json"]?.schema, schemas)
    : undefined;
  const example = bodySchema && bodyExample(bodySchema);
  return {
    method: method.toUpperCase(),
    path,
    summary,
    // The only descriptions operations have are lists in Markdown.
    details: [...description.matchAll(/^- (.+)$/gm)].map(([, entry]) => entry),
    isOpen: security?.length === 0,
    fields: [
      ...parameters.flatMap((parameter) => "in" in parameter ? [parameterField(parameter, schemas)] : []),
      ...(bodySchema ? bodyFields(bodySchema, schemas) : []),
    ],
    ...(example && { example }),
    replies: Object.entries(responses).map(([status, response]) => {
      const [contentType = "", media = {}] = Object.entries(response.content ?? {})[0] ?? [];
      const { schema, example } = media as { schema?: Schema; example?: unknown };
      const shown = example ?? resolve(schema, schemas)?.example;
      return {
        status,
        description: response.description,
        contentType,
        ...(shown !== undefined && { example: JSON.stringify(shown) }),
      };
    }),
  };
}

function parameterField(
  parameter: { name: string; in: string; required?: boolean; schema?: Schema; description?: string },
  schemas: Schemas,
): Field {
  const schema = resolve(parameter.schema, schemas);
  return {
    name: parameter.name,
    place: parameter.in === "path" ? "path" : "query",
    type: schema ? typeName(schema, schemas) : "",
    isRequired: parameter.required ?? false,
    description: parameter.description ?? schema?.description ?? "",
  };
}

function bodyFields(schema: Resolved, schemas: Schemas): Field[] {
  return Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const resolved = resolve(field, schemas);
    return {
      name,
      place: "body",
      type: resolved ? typeName(resolved, schemas) : "",
      isRequired: schema.required?.includes(name) ?? false,
      description: resolved?.description ?? "",
    };
  });
}

/** The fields that have an example. */
function bodyExample({ properties = {} }: Resolved): string {
  const entries = Object.entries(properties)
    .flatMap(([name, field]) => "example" in field ? [[name, field.example] as const] : []);
  return JSON.stringify(Object.fromEntries(entries));
}

function typeName(schema: Resolved, schemas: Schemas): string {
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(", ");
  const { type = "object" } = schema;
  return (Array.isArray(type) ? type : [type]).map((name) => {
    const items = name === "array" ? resolve(schema.items, schemas) : undefined;
    return items ? `array of ${typeName(items, schemas)}` : name;
  }).join(" or ");
}

function resolve(schema: Schema | undefined, schemas: Schemas): Resolved | undefined {
  const name = schema?.$ref?.slice("#/components/schemas/".length);
  return name === undefined ? schema as Resolved | undefined : resolve(schemas[name], schemas);
}

/** Headers that are sent together are one entry. */
function credentialsOf({ components = {}, security = [] }: ApiDocument): Reference["credentials"] {
  return security.map((together) => {
    const parts = Object.keys(together).map((key) => {
      const scheme = components.securitySchemes?.[key];
      if (!scheme || !("type" in scheme)) return { name: key, description: "" };
      const name = scheme.type === "http" ? "Authorization: Bearer <token>" : scheme.name ?? key;
      return { name, description: scheme.description ?? "" };
    });
    return {
      name: parts.map(({ name }) => name).join(", "),
      description: parts.map(({ name, description }) =>
        parts.length > 1 ? `\`${name}\`: ${description}` : description
      ).join("; "),
    };
  });
}
