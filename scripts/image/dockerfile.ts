/** What a stage of the Dockerfile says about its image: the files it takes from the build stage, and how it is run. */
export interface Stage {
  readonly base: string
  /** Path in the image → path in the repository. */
  readonly files: ReadonlyMap<string, string>
  readonly env: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly user: string
  readonly workdir: string
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
}

/** Folder of the build stage that holds the repository. */
const BUILD_FOLDER = '/src/'

type Draft = { -readonly [K in keyof Omit<Stage, 'files'>]: Stage[K] } & {
  readonly files: Map<string, string>
  readonly env: string[]
  readonly labels: Record<string, string>
}

/** What an instruction says about the image; `rest` is its line without its name. */
const INSTRUCTIONS: Readonly<Record<string, (stage: Draft, rest: string) => void>> = {
  'COPY --from=build': ({ files }, rest) => copy(files, rest.split(/\s+/)),
  ENV: ({ env }, rest) => void env.push(rest),
  LABEL: ({ labels }, rest) => {
    const [name, value] = split(rest)
    labels[name] = value
  },
  USER: (stage, rest) => {
    stage.user = rest
  },
  WORKDIR: (stage, rest) => {
    stage.workdir = rest
  },
  ENTRYPOINT: (stage, rest) => {
    stage.entrypoint = JSON.parse(rest)
  },
  CMD: (stage, rest) => {
    stage.cmd = JSON.parse(rest)
  },
}

/**
 * Reads one stage of a Dockerfile, as far as an image can be put together without running anything in it: `COPY --from=build` and
 * what says how the image is run.
 *
 * @param name the stage's name (`FROM … AS name`)
 * @param args build arguments, by name, instead of their defaults
 * @throws naming the instruction that needs a container engine
 */
export function readStage(dockerfile: string, name: string, args: Readonly<Record<string, string>> = {}): Stage {
  const { base, lines } = findStage(logicalLines(dockerfile), name, args)
  const stage: Draft = {
    base,
    files: new Map(),
    env: [],
    labels: {},
    user: '',
    workdir: '/',
    entrypoint: [],
    cmd: [],
  }
  for (const line of lines) {
    const [, instruction = '', rest = ''] = /^(COPY --from=build|\S+)\s*(.*)$/.exec(line) ?? []
    const read = INSTRUCTIONS[instruction]
    if (!read) throw new Error(`stage ${name} of the Dockerfile needs a container engine: ${line}`)
    read(stage, rest)
  }
  return stage
}

/** The image that a stage is based on, and its instructions. @throws where the Dockerfile has no such stage */
function findStage(lines: readonly string[], name: string, args: Readonly<Record<string, string>>) {
  const start = lines.findIndex(line => {
    const [instruction, , , as] = line.split(/\s+/)
    return instruction === 'FROM' && as === name
  })
  const after = lines.slice(start + 1)
  const next = after.findIndex(line => /^FROM\s/.test(line))
  const defaults = new Map(
    lines
      .slice(0, Math.max(0, start))
      .flatMap(line => (/^ARG\s/.test(line) ? [split(line.replace(/^ARG\s+/, ''))] : [])),
  )
  const [, image = ''] = (lines[start] ?? '').split(/\s+/)
  const base = image.replace(/\$\{?(\w+)\}?/, (_, arg) => args[arg] ?? defaults.get(arg) ?? '')
  if (!base) throw new Error(`the Dockerfile has no stage named ${name}`)
  return { base, lines: next < 0 ? after : after.slice(0, next) }
}

/** Instructions, one a line: without comments, continued lines joined. */
function logicalLines(dockerfile: string): string[] {
  return dockerfile
    .replace(/^\s*#.*$/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
}

function split(assignment: string): [string, string] {
  const [key = '', ...value] = assignment.split('=')
  return [key, value.join('=').replace(/^"(.*)"$/, '$1')]
}

function copy(files: Map<string, string>, paths: readonly string[]): void {
  const target = paths.at(-1) ?? ''
  for (const source of paths.slice(0, -1)) {
    if (!source.startsWith(BUILD_FOLDER)) throw new Error(`COPY of something outside ${BUILD_FOLDER}: ${source}`)
    const path = source.slice(BUILD_FOLDER.length)
    files.set(target.endsWith('/') ? target + path.slice(path.lastIndexOf('/') + 1) : target, path)
  }
}
