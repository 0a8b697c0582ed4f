# gnuplot -e "source='out/loss.csv'; picture='out/loss.svg'" tools/plot_loss.gp
# Columns: the step, its training loss, and the validation loss where it was measured; the first line names them.
set datafile separator ','
set terminal svg size 800,480 font 'sans-serif,12' background rgb 'white'
set output picture
set xlabel 'step'
set ylabel 'loss (nats per character)'
set grid
set key top right
average = NaN
running(value) = (average = average == average ? 0.9 * average + 0.1 * value : value)
plot source using 1:2 skip 1 with lines lc rgb '#b8cbe4' title 'each step', \
     source using 1:(running($2)) skip 1 with lines lw 2 lc rgb '#1f4e8c' title 'running mean', \
     source using 1:3 skip 1 with linespoints lw 2 pt 7 ps 0.6 lc rgb '#d1495b' title 'validation'
