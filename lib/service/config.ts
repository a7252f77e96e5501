import type { Static, TObject, TProperties, TSchema } from 'typebox'
import { Errors } from 'typebox/value'
import { ENV_PREFIX } from './names.ts'

/** Converts the text of one variable to the value that the program uses; throws an `Error` that names the problem. */
export type Parser = (text: string) => unknown

type Parsers<S extends TProperties> = { [K in keyof S]?: Parser }

/** The configuration of a program: the schema's types, or the parser's return type for parsed variables. */
export type Config<S extends TObject, P> = {
  readonly [K in keyof Static<S>]: K extends keyof P
    ? P[K] extends (text: string) => infer R
      ? R
      : Static<S>[K]
    : Static<S>[K]
}

/** Thrown by {@link loadConfig} with all problems at once, one line each, each naming its variable. */
export class ConfigError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/**
 * Reads a program's configuration from environment variables.
 *
 * @param schema names without {@link ENV_PREFIX}, with types, bounds, defaults and descriptions
 * @param parsers for variables whose text has its own structure
 * @param env usually `process.env`; an empty value counts as unset
 * @param check constraints between variables: returns one line for each problem
 * @throws {ConfigError} naming every variable that is missing or invalid
 */
export function loadConfig<S extends TObject, const P extends Parsers<S['properties']>>(
  schema: S,
  parsers: P,
  env: NodeJS.ProcessEnv,
  check: (config: Config<S, P>) => string[] = () => [],
): Config<S, P> {
  const given: Record<string, string> = {}
  for (const name of Object.keys(schema.properties)) {
    const text = env[ENV_PREFIX + name]
    if (text !== undefined && text !== '' && !isServiceLink(text)) given[name] = text
  }
  const problems: string[] = []
  const values = validate(schema, given, problems)
  for (const [name, parse] of Object.entries(parsers) as [string, Parser][]) {
    const text = values[name]
    if (typeof text !== 'string') continue
    try {
      values[name] = parse(text)
    } catch (error) {
      problems.push(`${ENV_PREFIX}${name}: ${(error as Error).message} (it is ${JSON.stringify(text)})`)
    }
  }
  const config = Object.freeze(values) as Config<S, P>
  // Only if each variable is valid by itself, because the check may use any of them.
  if (problems.length === 0) problems.push(...check(config))
  if (problems.length > 0) throw new ConfigError(problems)
  return config
}

/** Settings as the schema defines them: numbers and booleans are converted from text, absent ones get their default. */
function validate(schema: TObject, given: Record<string, string>, problems: string[]): Record<string, unknown> {
  const required = new Set<string>((schema as { required?: string[] }).required ?? [])
  const values: Record<string, unknown> = {}
  for (const [name, property] of Object.entries(schema.properties) as [string, TSchema & { default?: unknown }][]) {
    const text = given[name]
    if (text === undefined) {
      if (property.default !== undefined) values[name] = property.default
      else if (required.has(name)) problems.push(`${ENV_PREFIX}${name} is required: ${describe(schema, name)}`)
      continue
    }
    const value = coerce(property, text)
    const found = problemsOf(property, value).map(
      problem => `${ENV_PREFIX}${name} ${problem} (it is ${JSON.stringify(text)})`,
    )
    if (found.length === 0) values[name] = value
    // The parsers still read the other settings, so that all problems are reported at once.
    problems.push(...found)
  }
  return values
}

/** Why a value does not fit its property; empty if it does. */
function problemsOf(property: TSchema, value: unknown): string[] {
  return Errors(property, value).map(({ message, params }) => {
    const { allowedValues } = params as { allowedValues?: readonly unknown[] }
    return allowedValues ? `${message}: ${allowedValues.join(', ')}` : message
  })
}

/** Converts a variable's text to the type of its property; an invalid text is returned unchanged. */
function coerce(property: TSchema, text: string): unknown {
  const { type } = property as { type?: string }
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text
  if (type !== 'integer' && type !== 'number') return text
  const value = Number(text)
  return text.trim() === '' || !Number.isFinite(value) ? text : value
}

function describe(schema: TObject, name: string): string {
  return (schema.properties[name] as TSchema & { description?: string })?.description ?? ''
}

/**
 * Kubernetes gives a pod a variable for each Service of its namespace. A Service named ws-operator-admin yields
 * `WS_OPERATOR_ADMIN_PORT=tcp://10.0.0.1:80`, which is not a setting.
 */
const isServiceLink = (text: string): boolean => /^(?:tcp|udp|sctp):\/\/[\d.:a-f[\]]+:\d+$/.test(text)

/** One setting in a program's reference, as in `--help` and docs/configuration.md. */
export interface SettingDoc {
  readonly name: string
  readonly type: string
  readonly fallback: string
  readonly description: string
}

/** The settings of a schema, in its order. */
export function documentSettings(schema: TObject): SettingDoc[] {
  const required = new Set<string>((schema as { required?: string[] }).required ?? [])
  return Object.entries(schema.properties).map(([name, property]) => {
    const {
      type,
      enum: values,
      description = '',
      default: fallback,
    } = property as Record<string, unknown> & { description?: string }
    return {
      name: ENV_PREFIX + name,
      type: Array.isArray(values) ? values.join(' | ') : String(type),
      fallback: fallback === undefined ? (required.has(name) ? 'required' : '') : String(fallback),
      description,
    }
  })
}

/** The text that `--help` prints. */
export function helpText(program: string, purpose: string, schema: TObject, commands: readonly string[] = []): string {
  const lines = documentSettings(schema).map(
    ({ name, type, fallback, description }) =>
      `  ${name} (${type}${fallback && `, ${fallback}`})\n      ${description}`,
  )
  const also = commands.length > 0 ? `\n${commands.join('\n')}\n` : ''
  return `${program}: ${purpose}\n${also}\nConfigured by environment variables:\n\n${lines.join('\n')}\n`
}
