# In a folder with distance.csv (cell,distance,share).
set datafile separator ','
set terminal svg size 800,480 font 'sans-serif,13' background rgb 'white'
set output 'distance.svg'
names = "'tanh RNN' 'GRU' 'LSTM'"
array colour[3] = ['#d1495b', '#66a182', '#1f4e8c']
set title 'How far back a prediction looks'
set xlabel 'characters back'
set ylabel 'mean share of the dependence'
set logscale y
set format y '10^{%T}'
set grid
set key bottom left
plot for [i = 1:3] 'distance.csv' using (strcol(1) eq word(names, i) ? $2 : NaN):3 \
  with lines lw 3 lc rgb colour[i] title word(names, i)
