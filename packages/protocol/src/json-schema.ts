import { z } from 'zod';

/** What a document is made of. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Turns zod schemas into JSON Schema for one document, and keeps the shapes that they share. */
export interface SchemaCollection {
  /** Every named shape met so far, by its `meta.id`. */
  readonly schemas: Readonly<Record<string, JsonObject>>;
  /**
   * One schema in the form of the document; named shapes in it become references to `#/components/schemas/…`.
   * `input` is what a caller writes (what has a default may be left out), `output` what the server answers.
   * Throws where two different shapes carry the same name.
   */
  schemaOf(schema: z.ZodType, side: 'input' | 'output'): JsonObject;
}

const COMPONENTS = '#/components/schemas/';

/** A collection for a document whose schemas are of this draft of JSON Schema. */
export function collectSchemas(target: 'draft-2020-12' | 'draft-7'): SchemaCollection {
  const schemas: Record<string, JsonObject> = {};

  function schemaOf(schema: z.ZodType, side: 'input' | 'output'): JsonObject {
    // What zod cannot say in JSON Schema (refinements, such as caps in code points) is left to the descriptions.
    const made = z.toJSONSchema(schema, { target, io: side, unrepresentable: 'any' });
    const { $schema: _, $defs, definitions, ...root } = made as JsonObject;
    for (const [name, shape] of Object.entries({ ...asObject($defs), ...asObject(definitions) })) {
      keep(componentName(name), relink(shape, side) as JsonObject);
    }
    return relink(root, side) as JsonObject;
  }

  function keep(name: string, shape: JsonObject): void {
    const earlier = schemas[name];
    if (earlier && JSON.stringify(earlier) !== JSON.stringify(shape)) {
      throw new Error(`Two different shapes are called ${name}.`);
    }
    schemas[name] = shape;
  }

  return { schemas, schemaOf };
}

/** The name of the shape that a schema refers to, if it is nothing but a reference. */
export function referredName(schema: JsonObject): string | undefined {
  const reference = schema.$ref;
  return typeof reference === 'string' && reference.startsWith(COMPONENTS)
    ? reference.slice(COMPONENTS.length)
    : undefined;
}

/** `value` as an object; an empty one where it is none. */
export function asObject(value: Json | undefined): JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as JsonObject) : {};
}

/** The one shape that refers to itself without a name of its own is that of any JSON value. */
function componentName(name: string): string {
  return name.startsWith('__schema') ? 'JsonValue' : name;
}

function relink(value: Json, side: 'input' | 'output'): Json {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item) => relink(item, side));
  const entries = Object.entries(value as JsonObject)
    // A reader must live with fields that a later version adds; a writer is told of those it made up.
    .filter(([key, item]) => !(side === 'output' && key === 'additionalProperties' && item === false))
    .map(([key, item]): [string, Json] => [
      key,
      key === '$ref' && typeof item === 'string' ? relinkReference(item) : relink(item, side),
    ]);
  return Object.fromEntries(entries);
}

function relinkReference(reference: string): string {
  const name = /^#\/(?:\$defs|definitions)\/(.+)$/.exec(reference)?.[1];
  return name === undefined ? reference : `${COMPONENTS}${componentName(name)}`;
}
