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

/**
 * Reads one stage of a Dockerfile, as far as an image can be put together without running anything in it: `COPY --from=build`,
 *
 * @param name the stage's name (`FROM … AS name`)
 * @param args build arguments, by name, instead of their defaults
 * @throws naming the instruction that needs a container engine
 */
export function readStage(dockerfile: string, name: string, args: Readonly<Record<string, string>> = {}): Stage {
  const stage = {
    base: '',
    files: new Map<string, string>(),
    env: [] as string[],
    labels: {} as Record<string, string>,
    user: '',
    workdir: '/',
    entrypoint: [] as string[],
    cmd: [] as string[],
  }
  const defaults = new Map<string, string>()
  let inside = false
  for (const line of logicalLines(dockerfile)) {
    const [instruction = '', ...words] = line.split(/\s+/)
    const rest = line.slice(instruction.length).trim()
    if (instruction === 'ARG') defaults.set(...split(rest))
    if (instruction === 'FROM') {
      inside = words[2] === name
      if (inside)
        stage.base = (words[0] ?? '').replace(/\$\{?(\w+)\}?/, (_, arg) => args[arg] ?? defaults.get(arg) ?? '')
      continue
    }
    if (!inside) continue
    if (instruction === 'COPY' && words[0] === '--from=build') copy(stage.files, words.slice(1))
    else if (instruction === 'ENV') stage.env.push(rest)
    else if (instruction === 'LABEL') Object.assign(stage.labels, Object.fromEntries([split(rest)]))
    else if (instruction === 'USER') stage.user = rest
    else if (instruction === 'WORKDIR') stage.workdir = rest
    else if (instruction === 'ENTRYPOINT') stage.entrypoint = JSON.parse(rest)
    else if (instruction === 'CMD') stage.cmd = JSON.parse(rest)
    else throw new Error(`stage ${name} of the Dockerfile needs a container engine: ${line}`)
  }
  if (!stage.base) throw new Error(`the Dockerfile has no stage named ${name}`)
  return stage
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
