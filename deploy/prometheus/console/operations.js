'use strict';
// Draws the panels of the dashboards from Prometheus' own API. Prometheus
// serves this page as a template of Go, which reads scripts, too: no template
// strings, no regular expressions, never two braces that open side by side.
// What comes from data becomes text, never markup.

const REFRESH_MS = 5000;
const DEADLINE_MS = 10000;
const POINTS = 240;
const SERIES_MAX = 20;
const COLOURS = 10;
const WINDOWS = [['5 min', 300], ['15 min', 900], ['1 h', 3600], ['6 h', 21600]];
const SVG = 'http://www.w3.org/2000/svg';
const { dashboards, runbooks } = JSON.parse(document.getElementById('data').textContent);
const byId = (id) => document.getElementById(id);

let board = dashboards[0];
let seconds = 900;
let panels = [];
// Grows with every change of what is shown: late answers of before are dropped.
let turn = 0;
let asking = false;

function make(name, attributes, ...inside) {
  const one = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) one.setAttribute(key, value);
  one.append(...inside);
  return one;
}

function draw(name, attributes, words) {
  const one = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  if (words !== undefined) one.textContent = words;
  return one;
}

// Numbers.

function rounded(value, decimals) {
  const size = Math.abs(value);
  const digits = decimals ?? (size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
  return value.toLocaleString('en-GB', { maximumFractionDigits: digits });
}

function scaled(value, base, names, decimals) {
  let size = Math.abs(value);
  let at = 0;
  while (size >= base && at < names.length - 1) { size = size / base; at += 1; }
  return rounded(Math.sign(value) * size, at ? undefined : decimals) + names[at];
}

function words(value, unit, decimals) {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (unit === 's' || unit === 'ms') {
    const span = unit === 'ms' ? value / 1000 : value;
    const long = Math.abs(span);
    if (long === 0) return '0 ' + unit;
    if (long < 0.001) return rounded(span * 1e6) + ' µs';
    if (long < 1) return rounded(span * 1000) + ' ms';
    if (long < 120) return rounded(span) + ' s';
    return long < 7200 ? rounded(span / 60) + ' min' : rounded(span / 3600) + ' h';
  }
  if (unit === 'percentunit') return rounded(value * 100, size > 0 && size < 0.01 ? 3 : 1) + ' %';
  if (unit === 'bytes') return scaled(value, 1024, [' B', ' KiB', ' MiB', ' GiB', ' TiB'], 0);
  const number = scaled(value, 1000, ['', ' k', ' M', ' G'], decimals);
  return unit === 'ops' || unit === 'reqps' ? number + (number.includes(' ') ? '' : ' ') + '/s' : number;
}

const clock = (at, precise) => new Date(at * 1000).toLocaleTimeString('en-GB',
  precise ? { hour: '2-digit', minute: '2-digit', second: '2-digit' } : { hour: '2-digit', minute: '2-digit' });

// A distance between lines of the grid that people can count with.
function niceStep(span, count) {
  const rough = span / count;
  const power = Math.pow(10, Math.floor(Math.log10(rough)));
  const part = rough / power;
  return (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10) * power;
}

// Prometheus.

class Away extends Error {}

async function ask(path, parameters) {
  let answer;
  let body;
  try {
    const query = parameters ? '?' + new URLSearchParams(parameters) : '';
    answer = await fetch('../api/v1/' + path + query, { signal: AbortSignal.timeout(DEADLINE_MS) });
    body = await answer.json();
  } catch (error) {
    throw new Away(error.name === 'TimeoutError' ? 'no answer in time' : 'no answer');
  }
  if (body.status !== 'success') throw new Error(body.error || 'refused with ' + answer.status);
  return body.data;
}

function grid() {
  const step = Math.max(2, Math.ceil(seconds / POINTS));
  const end = Math.floor(Date.now() / 1000);
  // Wide enough that nothing falls between two points.
  return { step, end, start: end - seconds, rate: Math.max(60, step + 15) + 's' };
}

const expression = (target, span) => target.expr.replaceAll('$__rate_interval', span.rate);

// The name that a legend gives to labels: its parts in double braces are labels.
function nameOf(format, labels) {
  const parts = format.split('{' + '{');
  let name = parts[0];
  for (const part of parts.slice(1)) {
    const end = part.indexOf('}}');
    name += (labels[part.slice(0, end).trim()] || '') + part.slice(end + 2);
  }
  return name.trim() || 'value';
}

async function seriesOf(panel, span) {
  const found = await Promise.all(panel.targets.map(async (target) => {
    const data = await ask('query_range', { query: expression(target, span), start: span.start, end: span.end, step: span.step });
    return data.result.map((one) => ({
      name: nameOf(target.legendFormat, one.metric),
      points: one.values.map(([at, value]) => [at, Number(value)]).filter(([, value]) => Number.isFinite(value)),
    }));
  }));
  const all = found.flat().filter((one) => one.points.length);
  all.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  all.forEach((one, n) => { one.colour = 'var(--s' + n % COLOURS + ')'; });
  return all;
}

async function valueOf(panel, span) {
  const data = await ask('query', { query: expression(panel.targets[0], span), time: span.end });
  return data.result.length ? Number(data.result[0].value[1]) : NaN;
}

// A panel.

class Panel {
  constructor(spec) {
    this.spec = spec;
    this.unit = spec.fieldConfig.defaults.unit;
    this.decimals = spec.fieldConfig.defaults.decimals;
    this.isStat = spec.type === 'stat';
    const id = 'panel-' + spec.id;
    const about = make('details', {}, make('summary', { 'aria-label': 'What this is: ' + spec.title }, '?'), make('p', {}, spec.description));
    this.node = make('article', { class: 'card panel ' + spec.type, 'aria-labelledby': id },
      make('header', {}, make('h3', { id }, spec.title), about));
    if (this.isStat) {
      this.value = make('p', { class: 'value none' }, '…');
      this.node.append(this.value);
      return;
    }
    this.drawing = make('div', { class: 'drawing', tabindex: '0', role: 'img', 'aria-label': spec.title });
    this.legend = make('ul', { class: 'legend' });
    this.node.append(make('figure', {}, this.drawing), this.legend);
    this.drawing.addEventListener('pointermove', (event) => this.point(event.clientX - this.drawing.getBoundingClientRect().left));
    this.drawing.addEventListener('pointerdown', (event) => this.point(event.clientX - this.drawing.getBoundingClientRect().left));
    this.drawing.addEventListener('pointerleave', () => this.unpoint());
    this.drawing.addEventListener('blur', () => this.unpoint());
    this.drawing.addEventListener('keydown', (event) => this.walk(event));
  }

  async refresh(span, now) {
    try {
      const found = this.isStat ? await valueOf(this.spec, span) : await seriesOf(this.spec, span);
      if (now !== turn) return;
      this.node.classList.remove('old');
      if (this.isStat) this.tell(found); else { this.series = found; this.span = span; this.paint(); }
    } catch (error) {
      if (now !== turn) return;
      // What was drawn stays, paler: it was true a moment ago.
      if (error instanceof Away) { this.node.classList.add('old'); throw error; }
      this.state('failed', error.message);
    }
  }

  state(state, message) {
    this.node.dataset.state = state;
    if (this.isStat) {
      this.value.textContent = message;
      this.value.className = 'value none';
      return;
    }
    this.drawing.replaceChildren(make('p', { class: 'nothing' }, message));
    this.drawing.setAttribute('aria-label', this.spec.title + ': ' + message);
    this.legend.replaceChildren();
  }

  tell(value) {
    if (!Number.isFinite(value)) { this.state('empty', 'no data'); return; }
    const steps = this.spec.fieldConfig.defaults.thresholds.steps;
    const step = steps.filter((one) => one.value === null || value >= one.value).pop();
    const look = step !== undefined && step.color === 'red';
    this.node.dataset.state = 'drawn';
    const sign = look ? make('span', { role: 'img', 'aria-label': 'look at it' }, ' !') : '';
    this.value.replaceChildren(words(value, this.unit, this.decimals), sign);
    this.value.className = look ? 'value look' : 'value';
  }

  paint() {
    if (!this.series.length) { this.state('empty', 'no data'); return; }
    const width = Math.max(this.drawing.clientWidth, 200);
    const height = 190;
    const shown = this.series.slice(0, SERIES_MAX);
    let least = this.spec.fieldConfig.defaults.min ?? Infinity;
    let most = -Infinity;
    for (const one of shown) {
      for (const [, value] of one.points) { least = Math.min(least, value); most = Math.max(most, value); }
    }
    if (most - least < 1e-9) most = least + (least === 0 ? 1 : Math.abs(least) * 0.1);
    const step = niceStep(most - least, 4);
    least = Math.floor(least / step) * step;
    most = Math.ceil(most / step) * step;
    const lines = [];
    for (let value = least; value <= most + step * 0.5; value += step) lines.push(value);
    const labels = lines.map((value) => words(Math.abs(value) < step * 1e-6 ? 0 : value, this.unit));
    const left = 14 + 6.4 * Math.max(...labels.map((label) => label.length));
    const { start, end } = this.span;
    this.x = (at) => left + (at - start) / (end - start) * (width - left - 6);
    this.y = (value) => height - 22 - (value - least) / (most - least) * (height - 32);
    this.at = (x) => start + (x - left) / (width - left - 6) * (end - start);

    const svg = draw('svg', { viewBox: '0 0 ' + width + ' ' + height, 'aria-hidden': 'true' });
    lines.forEach((value, n) => {
      const y = this.y(value).toFixed(1);
      svg.append(draw('line', { class: 'grid', x1: left, x2: width - 6, y1: y, y2: y }),
        draw('text', { x: left - 6, y: Number(y) + 4, 'text-anchor': 'end' }, labels[n]));
    });
    const apart = (end - start) / (width < 420 ? 3 : 5);
    for (let at = start + apart * 0.5; at < end; at += apart) {
      svg.append(draw('text', { x: this.x(at).toFixed(1), y: height - 4, 'text-anchor': 'middle' }, clock(at)));
    }
    for (const one of shown) svg.append(draw('path', { class: 'line', d: this.path(one.points), stroke: one.colour }));
    this.marks = draw('g', {});
    svg.append(this.marks);
    this.tip = make('div', { class: 'tip', hidden: '' });
    this.drawing.replaceChildren(svg, this.tip);
    this.node.dataset.state = 'drawn';

    const lasts = shown.map((one) => [one, words(one.points[one.points.length - 1][1], this.unit)]);
    this.legend.replaceChildren(...lasts.map(([one, last]) => this.row(one, last)));
    if (shown.length < this.series.length) this.legend.append(make('li', {}, 'and ' + (this.series.length - shown.length) + ' more'));
    this.drawing.setAttribute('aria-label', this.spec.title + ', now: ' + lasts.map(([one, last]) => one.name + ' ' + last).join(', '));
    if (this.pointed !== undefined) this.point(this.pointed);
  }

  row(one, value) {
    const colour = make('i', { 'aria-hidden': 'true' });
    colour.style.background = one.colour;
    return make('li', {}, colour, make('span', {}, one.name), make('b', {}, value));
  }

  // A line is broken where values are missing.
  path(points) {
    let path = '';
    let before = -Infinity;
    for (const [at, value] of points) {
      const place = this.x(at).toFixed(1) + ' ' + this.y(value).toFixed(1);
      path += at - before > this.span.step * 1.5 ? 'M' + place + 'h.1' : 'L' + place;
      before = at;
    }
    return path;
  }

  point(x) {
    if (!this.tip || this.node.dataset.state !== 'drawn') return;
    this.pointed = x;
    const { step, start, end } = this.span;
    const at = Math.min(end, Math.max(start, start + Math.round((this.at(x) - start) / step) * step));
    const place = this.x(at);
    const there = [];
    this.marks.replaceChildren(draw('line', { class: 'cursor', x1: place, x2: place, y1: 8, y2: 168 }));
    for (const one of this.series.slice(0, SERIES_MAX)) {
      const found = one.points.find(([moment]) => moment === at);
      if (!found) continue;
      there.push([one, found[1]]);
      this.marks.append(draw('circle', { cx: place, cy: this.y(found[1]), r: 3, fill: one.colour }));
    }
    there.sort((a, b) => b[1] - a[1]);
    const rows = there.map(([one, value]) => this.row(one, words(value, this.unit)));
    this.tip.replaceChildren(make('strong', {}, clock(at, true)), make('ul', {}, ...(rows.length ? rows : [make('li', {}, 'no data')])));
    this.tip.hidden = false;
    const room = this.drawing.clientWidth;
    const left = place > room * 0.5 ? place - this.tip.offsetWidth - 12 : place + 12;
    this.tip.style.left = Math.max(0, Math.min(left, room - this.tip.offsetWidth)) + 'px';
  }

  unpoint() {
    this.pointed = undefined;
    if (!this.tip) return;
    this.tip.hidden = true;
    this.marks.replaceChildren();
  }

  walk(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
    if (event.key === 'Escape') { this.unpoint(); return; }
    if (!(event.key in steps) || this.node.dataset.state !== 'drawn') return;
    event.preventDefault();
    const one = this.x(this.span.start + this.span.step) - this.x(this.span.start);
    this.point(Math.min(this.x(this.span.end), Math.max(this.x(this.span.start), (this.pointed ?? this.x(this.span.end)) + steps[event.key] * one)));
  }
}

// Alerts.

function runbookOf(place) {
  const name = place.split('/').pop();
  if (place.startsWith('https://')) return make('a', { href: place, rel: 'noreferrer' }, name);
  const book = name.split('.md')[0];
  if (runbooks.includes(book)) return make('a', { href: 'docs/runbooks/' + book + '.html' }, name);
  return make('small', {}, place + ' in the repository');
}

function alertRow(alert) {
  const { alertname, severity, ...others } = alert.labels;
  const about = Object.entries(others).filter(([key]) => ['node', 'shard', 'slo', 'layer'].includes(key)).map(([, value]) => value);
  const said = make('div', { class: 'said' }, make('strong', {}, [alertname, ...about].join(' · ')), make('br'),
    make('small', {}, (alert.annotations.summary || '') + ' · since ' + clock(Date.parse(alert.activeAt) / 1000, true)));
  const badge = make('span', { class: 'badge ' + (alert.state === 'firing' ? 'firing' : 'pending') }, alert.state === 'firing' ? severity || 'firing' : 'pending');
  const place = alert.annotations.runbook_url;
  return make('li', {}, badge, said, place ? runbookOf(place) : '');
}

// Prometheus knows whom it tells; without anybody there is no link.
async function refreshAlertmanager() {
  const { activeAlertmanagers } = await ask('alertmanagers');
  const urls = activeAlertmanagers.map((one) => one.url.split('/api/')[0]).filter((url) => url.startsWith('http'));
  const link = byId('alertmanager');
  link.hidden = !urls.length;
  if (urls.length) link.href = urls[0];
}

let alertsShown = '';
async function refreshAlerts() {
  const { alerts } = await ask('alerts');
  alerts.sort((a, b) => (a.state === b.state ? a.labels.alertname.localeCompare(b.labels.alertname) : a.state === 'firing' ? -1 : 1));
  const quiet = byId('quiet');
  const firing = alerts.filter((one) => one.state === 'firing').length;
  const says = alerts.length ? firing + ' firing, ' + (alerts.length - firing) + ' pending' : 'Nothing fires.';
  // Said aloud only when it changes.
  if (quiet.textContent !== says) quiet.textContent = says;
  quiet.className = alerts.length ? '' : 'good';
  // The focus stays where it is while the same alerts are there.
  const now = JSON.stringify(alerts.map((one) => [one.labels, one.state]));
  if (now === alertsShown) return;
  alertsShown = now;
  byId('alerts').replaceChildren(...alerts.map(alertRow));
}

// The page.

async function refresh() {
  if (asking || document.hidden) return;
  asking = true;
  const now = turn;
  const span = grid();
  try {
    const ended = await Promise.allSettled([refreshAlerts(), refreshAlertmanager(), ...panels.map((panel) => panel.refresh(span, now))]);
    const failed = ended.filter((one) => one.status === 'rejected').map((one) => one.reason);
    const away = failed.find((one) => one instanceof Away);
    byId('away').hidden = !away;
    if (away) byId('away').textContent = 'Prometheus does not answer (' + away.message + '). What is shown is old. It is asked again every 5 s.';
    else if (failed.length) throw failed[0];
    if (!away && now === turn) byId('asked').textContent = 'as of ' + clock(Date.now() / 1000, true) + ', again every 5 s';
  } finally {
    asking = false;
  }
  // Somebody chose something else meanwhile.
  if (now !== turn) await refresh();
}

function show() {
  turn += 1;
  for (const tab of byId('tabs').children) {
    const chosen = tab.id === 'tab-' + board.uid;
    tab.setAttribute('aria-selected', chosen);
    tab.tabIndex = chosen ? 0 : -1;
    // On a phone not all tabs are to be seen at once.
    if (chosen) byId('tabs').scrollLeft = tab.offsetLeft - 60;
  }
  for (const one of byId('windows').children) one.setAttribute('aria-pressed', Number(one.value) === seconds);
  byId('board').setAttribute('aria-labelledby', 'tab-' + board.uid);
  byId('about').textContent = board.description;
  const places = [...board.panels].sort((a, b) => a.gridPos.y - b.gridPos.y || a.gridPos.x - b.gridPos.x);
  panels = places.map((spec) => new Panel(spec));
  byId('panels').replaceChildren(...panels.map((panel) => panel.node));
  refresh();
}

function choose(next) {
  if (next !== board) { board = next; location.replace('#' + board.uid); show(); }
}

function boardOfAddress() {
  return dashboards.find((one) => '#' + one.uid === location.hash);
}

function begin() {
  window.addEventListener('error', (event) => fault(event.message));
  window.addEventListener('unhandledrejection', (event) => fault(event.reason));
  for (const one of dashboards) {
    const label = one.title.split(': ').pop();
    const tab = make('button', { id: 'tab-' + one.uid, role: 'tab', type: 'button', 'aria-controls': 'board' }, label.charAt(0).toUpperCase() + label.slice(1));
    tab.addEventListener('click', () => choose(one));
    byId('tabs').append(tab);
  }
  byId('tabs').addEventListener('keydown', (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    choose(dashboards[(dashboards.indexOf(board) + by + dashboards.length) % dashboards.length]);
    byId('tab-' + board.uid).focus();
  });
  for (const [label, value] of WINDOWS) {
    const button = make('button', { type: 'button', value }, label);
    button.addEventListener('click', () => { seconds = value; show(); });
    byId('windows').append(button);
  }
  window.addEventListener('hashchange', () => choose(boardOfAddress() || board));
  document.addEventListener('visibilitychange', refresh);
  window.addEventListener('resize', () => panels.filter((panel) => panel.series && panel.series.length).forEach((panel) => panel.paint()));
  board = boardOfAddress() || board;
  show();
  setInterval(refresh, REFRESH_MS);
}

function fault(what) {
  byId('fault').textContent = 'This page has a fault: ' + what;
  byId('fault').hidden = false;
}

begin();
