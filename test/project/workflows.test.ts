import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseDocument } from 'yaml'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const workflows = globSync('.github/workflows/*.yml', { cwd: root }).sort()

interface Step {
  readonly uses?: string
  readonly run?: string
  readonly with?: Readonly<Record<string, unknown>>
}
interface Job {
  readonly 'runs-on': string
  readonly 'timeout-minutes'?: number
  readonly permissions?: Readonly<Record<string, string>>
  readonly steps: readonly Step[]
}
interface Workflow {
  readonly on: Readonly<Record<string, unknown>>
  readonly permissions?: Readonly<Record<string, string>>
  readonly jobs: Readonly<Record<string, Job>>
}

/** @throws naming what is wrong with the YAML, warnings and repeated keys included */
function load<T>(path: string): T {
  const document = parseDocument(read(path))
  const [problem] = [...document.errors, ...document.warnings]
  if (problem) throw new Error(`${path}: ${problem.message}`)
  return document.toJS() as T
}

/** What may be written, and by which job: everything else only reads the sources. */
const WRITES: Readonly<Record<string, readonly string[]>> = {
  'release.yml image': ['packages', 'id-token', 'attestations'],
}

t.test('every YAML file of .github parses', async t => {
  const files = globSync('.github/**/*.yml', { cwd: root })
  for (const file of files) t.type(load(file), 'object', file)
  t.ok(workflows.length >= 2 && files.length > workflows.length, files.join())
})

for (const path of workflows) {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const workflow = load<Workflow>(path)
  const jobs = Object.entries(workflow.jobs)
  const steps = jobs.flatMap(([, job]) => job.steps)

  t.test(`${name}: least permissions`, async t => {
    t.strictSame(workflow.permissions, { contents: 'read' })
    for (const [id, { permissions = {} }] of jobs) {
      const writes = Object.keys(permissions).filter(scope => permissions[scope] !== 'read')
      t.strictSame(writes, WRITES[`${name} ${id}`] ?? [], id)
    }
    for (const { uses, with: options } of steps)
      if (uses?.startsWith('actions/checkout@'))
        t.equal(options?.['persist-credentials'], false, 'no token is left behind')
    // It runs with the rights of the repository on the code of a stranger.
    t.notOk('pull_request_target' in workflow.on)
  })

  t.test(`${name}: every job ends, on a system of a known version`, async t => {
    for (const [id, job] of jobs) {
      t.ok((job['timeout-minutes'] ?? Number.POSITIVE_INFINITY) <= 90, id)
      t.match(job['runs-on'], /-\d+\.\d+$/, id)
    }
  })

  t.test(`${name}: actions are pinned by commit, with the version behind it`, async t => {
    for (const line of read(path)
      .split('\n')
      .filter(line => /^\s*(?:- )?uses:/.test(line)))
      t.match(line, /uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
    t.notMatch(read(path), /:latest\b|@(?:main|master|v\d+)\b/)
  })

  t.test(`${name}: text of strangers never becomes a command`, async t => {
    for (const { run = '' } of steps) t.notMatch(run, /\$\{\{/, run)
  })
}

t.test('one action has one version everywhere', async t => {
  const versions = new Map<string, Set<string>>()
  for (const path of workflows)
    for (const [, action = '', version = ''] of read(path).matchAll(/uses: ([\w./-]+)@(\S+ # \S+)/g))
      versions.set(action, (versions.get(action) ?? new Set()).add(version))
  for (const [action, found] of versions) t.equal(found.size, 1, `${action}: ${[...found].join(', ')}`)
})

t.test('CI runs what anyone can run', async t => {
  const { on, jobs } = load<Workflow>('.github/workflows/ci.yml')
  t.ok('push' in on && 'pull_request' in on)
  const commands = Object.values(jobs).flatMap(({ steps }) => steps.map(({ run }) => run))
  t.ok(commands.includes('.ci/run'))
  t.ok(statSync(join(root, '.ci/run')).mode & 0o100, 'it can be executed')
})

t.test('a release has both architectures, a signature, lists of packages and its origin', async t => {
  const { on, jobs } = load<Workflow>('.github/workflows/release.yml')
  t.strictSame(on, { push: { tags: ['v*.*.*'] } })
  const steps = jobs['image']?.steps ?? []
  const using = (action: string) => steps.filter(({ uses }) => uses?.startsWith(`${action}@`))
  const [build] = using('docker/build-push-action')
  t.match(build?.with, { platforms: 'linux/amd64,linux/arm64', push: true, provenance: 'mode=max' })
  t.ok(steps.some(({ run }) => run?.startsWith('cosign sign --yes')))
  const lists = [...new Set(using('actions/attest').map(step => step.with?.['sbom-path']))]
  t.strictSame(lists, ['sbom-packages.cdx.json', 'sbom-image.cdx.json', undefined])
  t.match(using('anchore/sbom-action')[0]?.with, { format: 'cyclonedx-json' })
  // By digest: a tag could be moved between two steps.
  for (const step of using('actions/attest')) t.match(step.with?.['subject-digest'], /steps\.build\.outputs\.digest/)
})

t.test('a template for each kind of issue, none of them blank, and one for pull requests', async t => {
  t.match(load('.github/ISSUE_TEMPLATE/config.yml'), { blank_issues_enabled: false })
  for (const kind of ['bug', 'feature']) {
    const { body } = load<{ body: readonly { type: string; id?: string }[] }>(`.github/ISSUE_TEMPLATE/${kind}.yml`)
    const ids = body.flatMap(({ id }) => id ?? [])
    t.equal(new Set(ids).size, ids.length, 'each field has an id of its own')
    for (const { type, id } of body) t.ok(type === 'markdown' || id, `${kind}: ${type}`)
  }
  t.ok(existsSync(join(root, '.github/pull_request_template.md')))
})

t.test('Dependabot looks at everything that is pinned', async t => {
  const { updates } = load<{ updates: readonly Readonly<Record<string, string>>[] }>('.github/dependabot.yml')
  t.strictSame(updates.map(update => update['package-ecosystem']).sort(), ['docker', 'github-actions', 'npm'])
})
