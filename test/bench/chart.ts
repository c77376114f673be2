/**
 * CPU time against reply length as an SVG file.
 */
import * as ECharts from "echarts"

export interface Point<Name> {
  readonly frames: number
  readonly bytes: number
  readonly millis: ReadonlyMap<Name, number>
}

const colours = ["#1f6feb", "#d1242f", "#bf8700", "#6e7781"]

export const render = <Name extends string>(
  points: ReadonlyArray<Point<Name>>,
  titles: Readonly<Record<Name, string>>
): string => {
  const names = [...points[0]!.millis.keys()]
  const titleOf = (name: Name) => titles[name].replaceAll("`", "")
  // Where our own curve would run if it grew as the bytes do.
  const perByte = points[0]!.millis.get(names[0]!)! / points[0]!.bytes
  const chart = ECharts.init(null, null, { renderer: "svg", ssr: true, width: 800, height: 460 })
  const axis = {
    type: "log" as const,
    nameLocation: "middle" as const,
    nameTextStyle: { fontSize: 13 },
    splitLine: { lineStyle: { color: "#e5e7eb" } }
  }
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    title: { text: "CPU time of a reply by its length", left: "center", top: 8, textStyle: { fontSize: 16 } },
    legend: { bottom: 8 },
    grid: { left: 70, right: 30, top: 48, bottom: 92 },
    xAxis: {
      ...axis,
      name: "frames, of about four characters each",
      nameGap: 28,
      min: points[0]!.frames,
      max: points.at(-1)!.frames
    },
    yAxis: { ...axis, name: "CPU milliseconds a reply", nameGap: 46 },
    series: [
      ...names.map((name, index) => ({
        type: "line" as const,
        name: titleOf(name),
        data: points.map(({ frames, millis }) => [frames, Number(millis.get(name)!.toFixed(3))]),
        color: colours[index]!,
        lineStyle: { width: index === 0 ? 3 : 2 },
        symbolSize: 6
      })),
      {
        type: "line" as const,
        name: "growth of the bytes on the wire",
        data: points.map(({ bytes, frames }) => [frames, Number((bytes * perByte).toFixed(3))]),
        color: "#8c959f",
        lineStyle: { type: "dashed" as const, width: 1.5 },
        symbol: "none"
      }
    ]
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}
